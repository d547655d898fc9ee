"""What a read_committed consumer sees, and whether anything came twice."""

import json
import time
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from .process import Late


@dataclass
class Result:
    """One Kafka record."""

    key: str
    value: dict
    headers: dict
    timestamp: int
    partition: int
    offset: int

    def identity(self):
        """Of the window's result: what must never be there twice."""
        return (
            self.headers["agent"],
            self.headers["window"],
            self.headers["definition"],
            json.dumps(self.value["key"], sort_keys=True),
            self.value["start"],
            self.value["end"],
            self.value["revision"],
        )

    def shipped(self):
        return tuple(self.headers[part] for part in ("agent", "incarnation", "ship"))


class Reader:
    """Reads a topic from its beginning; results grows as records arrive."""

    def __init__(self, address, topic):
        self.results = []
        self._consumer = Consumer(
            {
                "bootstrap.servers": address,
                "group.id": "weir-system-tests",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "log_level": 0,
                "topic.metadata.refresh.interval.ms": 1000,
                "reconnect.backoff.max.ms": 500,
            }
        )
        known = self._consumer.list_topics(topic, timeout=30).topics[topic]
        assert known.error is None, known.error
        self._ends = {number: False for number in known.partitions}
        self._consumer.assign(
            [TopicPartition(topic, number, OFFSET_BEGINNING) for number in known.partitions]
        )

    def _take(self):
        for message in self._consumer.consume(500, timeout=0.2):
            error = message.error()
            if error is None:
                self._ends[message.partition()] = False
                self.results.append(
                    Result(
                        (message.key() or b"").decode(),
                        json.loads(message.value()),
                        {name: value.decode() for name, value in message.headers() or []},
                        message.timestamp()[1],
                        message.partition(),
                        message.offset(),
                    )
                )
            elif error.code() == KafkaError._PARTITION_EOF:
                self._ends[message.partition()] = True
            elif not error.retriable() and error.fatal():
                raise AssertionError(error)

    def read_until(self, done, seconds=60, what="the results"):
        """Reads until done(results)."""
        deadline = time.monotonic() + seconds
        while not done(self.results):
            if time.monotonic() > deadline:
                raise Late(f"{what} not within {seconds} s; {len(self.results)} records")
            self._take()
        return self.results

    def read_to_end(self, seconds=60):
        """Reads until every partition said that nothing more is there."""
        self._ends = dict.fromkeys(self._ends, False)
        # A partition that said so before only says so again after another record or a seek.
        for part in self._consumer.position(self._consumer.assignment()):
            if part.offset < 0:
                part.offset = OFFSET_BEGINNING
            self._consumer.seek(part)
        return self.read_until(lambda _: all(self._ends.values()), seconds, "the end of the topic")

    def close(self):
        self._consumer.close()


def check_once(test, results):
    """No result and no ship number twice; ship numbers without a hole."""
    seen = {}
    for result in results:
        first = seen.setdefault(result.identity(), result)
        test.assertIs(first, result, f"twice: {result.identity()}")
    numbers = {}
    for result in results:
        numbers.setdefault((result.headers["agent"], result.headers["incarnation"]), []).append(
            int(result.headers["ship"])
        )
    for agent, ships in numbers.items():
        test.assertEqual(len(ships), len(set(ships)), f"ship numbers of {agent} twice")

"""Bad input is counted by reason, a sample is kept, and the agent goes on."""

import json
import time
import unittest

from weirtest.process import wait_until
from weirtest.publish import Publisher
from weirtest.suite import Suite
from weirtest.weir import counters

START_MS = 1_767_225_600_000

BODY = """
    [[source]]
    name = "loops"
    topics = ["city/{site}/loop/{lane:int}"]
    columns = { speed = "float", n = "int" }
    time = { field = "ts", lateness = "1s", idle = "1h", max_future = "1m" }

    [[window]]
    name = "ten"
    from = "loops"
    by = ["site"]
    size = "10s"
    select = { n = "count()", speeds = "count(speed > 0.0)" }
"""


def total(status, name):
    """The sum of all counters of a name, wherever they stand but in what adds them up."""
    return sum(
        value
        for path, value in counters(status).items()
        if path.rpartition(".")[2] == name and "accounting" not in path.split(".")
    )


def accounts(status):
    """What of the accounting is kept across a restart."""
    return {
        "connections": status["accounting"]["connections"],
        "unknown_topic": status["accounting"]["unknown_topic"],
        "sources": [source["accounting"] for source in status["sources"]],
        "windows": [window["accounting"] for window in status["windows"]],
    }


class Retained(Suite):
    def test_the_last_state_that_the_broker_keeps_is_no_event(self):
        broker = self.mosquitto()
        publisher = Publisher(broker.port)
        self.addCleanup(publisher.close)
        event = {"ts": START_MS, "n": 1}
        publisher.publish("city/s1/loop/1", event, retain=True)
        publisher.drain()
        agent = self.local_agent(BODY, broker)
        publisher.publish("city/s1/loop/1", event)
        publisher.drain()
        wait_until(lambda: agent.status()["messages"] >= 1, 30, "the event")
        wait_until(lambda: total(agent.status(), "retained_skipped") == 1, 30, "the old state")
        self.assertEqual(agent.status()["messages"], 1)


class BadInput(Suite):
    def setUp(self):
        super().setUp()
        self.broker = self.mosquitto()
        self.agent = self.local_agent(BODY, self.broker, mqtt_more='max_message = "16KiB"\n')
        self.publisher = Publisher(self.broker.port)
        self.addCleanup(self.publisher.close)

    def send(self, payload, topic="city/s1/loop/1"):
        self.publisher.publish(topic, payload)

    def good(self, ts=START_MS, **more):
        self.send({"ts": ts, "speed": 50.5, "n": 1, **more})

    def counted(self, name, count):
        """Waits for the counter, then sees that good events still come through."""
        self.publisher.drain()
        wait_until(
            lambda: total(self.agent.status(), name) >= count,
            20,
            lambda: f"{name} = {count}: {json.dumps(self.agent.status())[:3000]}",
        )
        self.assertEqual(total(self.agent.status(), name), count)
        before = total(self.agent.status(), "events")
        self.good()
        self.publisher.drain()
        wait_until(lambda: total(self.agent.status(), "events") == before + 1, 20, "a good event")

    def test_undecodable_payloads(self):
        payloads = [
            b"",
            b"\x00\xff\xfe",
            b"{",
            b'{"ts":',
            b"[1,2,",
            b'{"ts":1767225600000,"speed":}',
            b"<xml/>",
            b"\xef\xbb\xbf{",
            b"[" * 5000,
        ]
        for payload in payloads:
            self.send(payload)
        self.counted("malformed", len(payloads))
        self.assertIn("<xml/>", json.dumps(self.agent.status()), "a sample is kept")

    def test_wrong_types_are_null_and_not_zero(self):
        for value in ("fast", [1], {"a": 1}, True):
            self.send({"ts": START_MS, "speed": value, "n": 1})
        self.send({"ts": START_MS, "speed": 1.0, "n": 1.5})
        self.counted("wrong_type", 5)
        self.send({"ts": START_MS + 60_000, "speed": None})
        wait_until(lambda: '"window":"ten"' in self.agent.text(), 20, "the result")
        line = next(
            line for line in self.agent.text().splitlines() if line.startswith('{"window":"ten"')
        )
        # Five events with a wrong type are counted; the numbers are those of the last of them and
        # the good one.
        self.assertEqual(json.loads(line)["values"], {"n": 6, "speeds": 2})

    def test_numbers_beyond_their_type(self):
        self.send(b'{"ts":1767225600000,"speed":1,"n":99999999999999999999999}')
        self.send(b'{"ts":1767225600000,"speed":1e999,"n":1}')
        self.counted("out_of_range", 2)

    def test_missing_and_absurd_times(self):
        self.send({"speed": 1.0})
        self.send({"ts": None, "speed": 1.0})
        self.counted("missing_time", 2)
        for ts in ("yesterday", True, 1e300, -5, [1]):
            self.send({"ts": ts, "speed": 1.0})
        self.counted("bad_time", 5)
        self.send({"ts": int(time.time() * 1000) + 3_600_000, "speed": 1.0})
        self.counted("future", 1)

    def test_a_topic_level_that_is_not_of_its_type(self):
        self.send({"ts": START_MS, "speed": 1.0}, topic="city/s1/loop/left")
        self.counted("wrong_type", 1)

    def test_an_oversized_message(self):
        self.send(b'{"ts":1767225600000,"speed":1,"x":"' + b"x" * 40_000 + b'"}')
        self.counted("oversized_messages", 1)

    def test_every_message_has_one_end_and_a_kill_changes_no_count(self):
        self.publisher.publish("city/s1/loop/1", {"ts": START_MS, "speed": 1.0}, retain=True)
        self.send({"ts": START_MS, "speed": 1.0}, topic="city/s1/loop/left")
        self.send(b"x" * 20_000)
        for number in range(300):
            self.send([b"{", b"[]", {"speed": 1.0}][number % 3])
            self.good(START_MS + number * 100)
            self.good(START_MS - 3_600_000)  # late, but for the first
        self.publisher.drain()

        def all_read(received):
            status = self.agent.status()
            return status and status["accounting"]["connections"][0]["received"] >= received

        wait_until(lambda: all_read(903), 30, lambda: json.dumps(self.agent.status()))
        before = self.agent.status()
        self.assertTrue(before["accounting"]["sum_ok"], before["accounting"])
        link = before["accounting"]["connections"][0]
        self.assertEqual((link["received"], link["oversized"], link["journaled"]), (903, 1, 902))
        source = before["sources"][0]["accounting"]
        self.assertEqual((source["malformed"], source["empty"], source["without_time"]), (100, 100, 100))
        window = before["windows"][0]["accounting"]
        self.assertEqual(window["rows"], 602)
        self.assertGreater(window["late"], 250)
        self.agent.kill()
        self.agent.start()
        self.agent.ready()
        wait_until(lambda: all_read(903), 30, lambda: json.dumps(self.agent.status()))
        after = self.agent.status()
        self.assertEqual(accounts(after), accounts(before))
        self.assertTrue(after["accounting"]["sum_ok"], after["accounting"])

    def test_a_flood_of_rubbish_between_good_events(self):
        for number in range(2000):
            self.send(b"\x80" * (number % 50))
            if number % 10 == 0:
                self.good()
        self.publisher.drain()
        wait_until(lambda: total(self.agent.status(), "events") == 200, 30, "200 good events")
        self.assertEqual(total(self.agent.status(), "malformed"), 2000)


if __name__ == "__main__":
    unittest.main()

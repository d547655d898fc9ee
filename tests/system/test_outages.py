"""Bridge, Kafka and mosquitto away in the middle of a run: the totals are exact.

With --long each is away for 30 s, as the product promises; the short form takes less of the same.
"""

import time
import unittest

from weirtest import places
from weirtest.process import wait_until
from weirtest.publish import Load
from weirtest.suite import KafkaSuite
from weirtest.totals import wait_for_totals
from weirtest.weir import Agent

AWAY_SECONDS = 30 if places.LONG else 6
BEFORE_SECONDS = 4


class Outages(KafkaSuite):
    RATE = 400

    def setUp(self):
        super().setUp()
        self.chain(Load.SOURCE)
        self.read = self.reader()
        self.load = Load(self.broker.port, self.RATE)
        # The outage begins when results already flow.
        self.read.read_until(
            lambda results: len(results) >= BEFORE_SECONDS, 60, "the first results"
        )

    def go_on(self, seconds):
        time.sleep(seconds)

    def check(self):
        self.go_on(BEFORE_SECONDS)
        wait_for_totals(self, self.load, self.read)

    def test_the_bridge_stops_and_comes_back(self):
        self.assertEqual(self.bridge.stop(), 0)
        self.go_on(AWAY_SECONDS)
        self.bridge.start()
        self.check()

    def test_kafka_stops_and_comes_back(self):
        self.kafka.stop()
        self.go_on(AWAY_SECONDS)
        self.kafka.start()
        self.check()

    def test_kafka_is_killed_and_comes_back(self):
        self.kafka.kill()
        self.go_on(AWAY_SECONDS)
        self.kafka.start()
        self.check()

    def test_mosquitto_stops_with_messages_queued_and_comes_back(self):
        # The agent is down while a backlog grows, so that the broker has a queue to keep; a
        # publisher whose
        # acknowledgement is lost would publish twice, so the load waits until it has all of them.
        self.assertEqual(self.agent.stop(), 0)
        self.go_on(2)
        self.load.pause()
        self.assertEqual(self.broker.stop(), 0)
        self.agent.start()
        self.go_on(AWAY_SECONDS)
        self.broker.start()
        self.load.resume()
        self.check()

    def test_mosquitto_stops_under_a_connected_agent_and_comes_back(self):
        self.load.pause()
        self.assertEqual(self.broker.stop(), 0)
        self.go_on(AWAY_SECONDS)
        self.broker.start()
        self.load.resume()
        self.check()

    def test_all_at_once(self):
        self.load.pause()
        self.bridge.stop()
        self.broker.stop()
        self.kafka.kill()
        self.agent.kill()
        self.broker.start()
        self.load.resume()
        self.go_on(AWAY_SECONDS)
        self.agent.start()
        self.bridge.start(wait=False)  # it serves when Kafka is there
        self.kafka.start()
        self.check()


class CleanRestart(KafkaSuite):
    def test_an_agent_that_is_stopped_and_started_goes_on_where_it_was(self):
        self.chain(Load.SOURCE)
        load, read = Load(self.broker.port, 400), self.reader()
        for _ in range(3):
            time.sleep(2)
            self.assertEqual(self.agent.stop(), 0, self.agent.text())
            self.agent.start()
        wait_for_totals(self, load, read)

    def test_a_backlog_of_thousands_of_windows_is_caught_up_with_through_two_kills(self):
        self.chain(Load.SOURCE)
        self.assertEqual(self.agent.stop(), 0)
        load, read = Load(self.broker.port, rate=1_000_000, step_ms=200), self.reader()
        wait_until(lambda: len(load.events) >= 30_000, 120, "a backlog")
        load.pause()
        for wanted in (500, 2500):
            self.agent.start()
            read.read_until(lambda results: len(results) >= wanted, 60, "results of the backlog")
            self.agent.kill()
        self.agent.start()
        wait_for_totals(self, load, read)
        self.assertEqual(self.agent.status()["outbox"]["dropped_staging_results"], 0)

    def test_two_agents_share_a_bridge(self):
        self.chain(Load.SOURCE)
        files = (self.authority.ca, *self.authority.issue("gate-2"))
        other = self.begin(
            Agent(
                self.folder / "other",
                Load.SOURCE,
                broker=self.broker,
                name="gate-2",
                bridge=self.bridge.url,
                certificates=files,
            )
        ).ready()
        load, read = Load(self.broker.port, 400), self.reader()
        time.sleep(4)
        load.close()
        expected = load.expected()
        read.read_until(
            lambda results: len(results) >= 2 * len(expected), 60, "the results of both"
        )
        for agent in (self.agent.name, other.name):
            found = {
                (r.value["key"]["site"], r.value["start"]): r.value["values"]["n"]
                for r in read.results
                if r.headers["agent"] == agent
            }
            self.assertEqual(found, {key: n for key, (n, *_) in expected.items()})


if __name__ == "__main__":
    unittest.main()

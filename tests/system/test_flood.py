"""More than the board can work off: a connection with overflow = "sample" keeps a share, and every result says so."""

import json
import os
import signal
import unittest

from weirtest.process import wait_until
from weirtest.publish import Publisher
from weirtest.suite import Suite

START_MS = 1_767_225_600_000
EVENTS = 500  # a message
MESSAGES = 300
WINDOWS = 40  # what makes an event cost more than its way through the broker

SOURCE = """
    [[source]]
    name = "loops"
    topics = ["city/{site}/loop"]
    columns = { speed = "float" }
    time = { field = "ts", lateness = "1s", max_future = "1m" }
"""
WINDOW = """
    [[window]]
    name = "w%d"
    from = "loops"
    where = "speed > 0.5 && (speed < %d.0 || speed > 100.0)"
    by = ["site"]
    size = "10s"
    max_groups = 4
    select = { n = "count()", m = "stddev(speed * 3.6)", p = "quantile(speed, 0.5)" }
"""


class Flood(Suite):
    def setUp(self):
        super().setUp()
        self.broker = self.mosquitto()
        body = SOURCE + "".join(WINDOW % (i, 200 + i) for i in range(WINDOWS))
        self.agent = self.local_agent(
            body,
            self.broker,
            mqtt_more='overflow = "sample"\nmax_message = "64KiB"\n',
            agent='memory = "64MiB"\njournal = { size = "1MiB" }\n',
        )
        self.publisher = Publisher(self.broker.port)
        self.addCleanup(self.publisher.close)

    def connection(self):
        return self.agent.status()["accounting"]["connections"][0]

    def results(self):
        """Of the first window, by start."""
        records = (json.loads(line) for line in self.agent.log.read_text().splitlines() if line.startswith("{"))
        return {r["start"]: r for r in records if r["window"] == "w0"}

    def send(self, ts, events):
        self.publisher.publish("city/a/loop", [{"ts": ts, "speed": 1 + i % 90} for i in range(events)])

    def test_a_share_is_kept_and_told_and_all_of_it_again_afterwards(self):
        # All of it waits at the broker, so that it comes as fast as it can be taken.
        os.kill(self.agent.pid, signal.SIGSTOP)
        for _ in range(MESSAGES):
            self.send(START_MS, EVENTS)
        self.publisher.drain()
        os.kill(self.agent.pid, signal.SIGCONT)
        wait_until(lambda: self.connection()["received"] == MESSAGES, 60, lambda: str(self.connection()))
        flood = self.connection()
        self.assertGreater(flood["shed"], 0)
        self.assertEqual(flood["journaled"] + flood["shed"], MESSAGES)
        self.assertTrue(flood["sum_ok"])
        # The flood is over: what comes now is kept, and moves the watermark past both windows.
        self.send(START_MS + 20_000, 1)
        self.send(START_MS + 60_000, 1)
        self.publisher.drain()
        wait_until(lambda: len(self.results()) == 2, 60, lambda: str(self.results()))
        during, after = self.results()[START_MS], self.results()[START_MS + 20_000]
        self.assertEqual(during["values"]["n"], flood["journaled"] * EVENTS)
        self.assertIn(during["sampled"], [2.0**-level for level in range(1, 9)])
        self.assertEqual(after["values"]["n"], 1)
        self.assertNotIn("sampled", after)
        self.assertEqual(self.connection()["shed"], flood["shed"])


if __name__ == "__main__":
    unittest.main()

"""Results on the local broker: `publish` of a window, early results and late records too."""

import json
import unittest

from weirtest.process import wait_until
from weirtest.publish import Listener, Publisher
from weirtest.suite import Suite

START_MS = 1_767_225_600_000

SOURCE = """
    [[source]]
    name = "loops"
    topics = ["city/{site}/loop"]
    columns = { speed = "float" }
    time = { field = "ts", lateness = "0s", idle = "1h" }
    partition = "site"

    [[window]]
    name = "ten"
    from = "loops"
    by = ["site"]
    size = "10s"
    early = "4s"
    late = { allow = "10s", then = "side" }
    publish = "weir/{agent}/{window}/{site}"
    select = { n = "count()", fastest = "max(speed)" }
"""


class Publish(Suite):
    def test_early_results_results_and_late_records_come_as_json(self):
        broker = self.mosquitto()
        agent = self.local_agent(SOURCE, broker)
        listener = Listener(broker.port, "weir/gate-1/ten/#")
        self.addCleanup(listener.close)
        publisher = Publisher(broker.port)
        self.addCleanup(publisher.close)
        for second, speed in [(0, 10), (5, 20), (10, 30), (1, 90), (21, 40)]:
            publisher.publish("city/s1/loop", {"ts": START_MS + 1000 * second, "speed": speed})
        publisher.drain()
        wait_until(lambda: len(listener.messages) >= 4, 30, lambda: str(listener.messages))
        self.assertEqual(
            {topic for topic, *_ in listener.messages}, {"weir/gate-1/ten/s1"}
        )
        said = [json.loads(payload) for _, payload, _ in listener.messages]
        self.assertEqual([(r["start"] - START_MS) // 1000 for r in said], [0, 0, 0, 10])
        self.assertEqual([r["values"]["fastest"] for r in said], [20, 20, 90, 30])
        self.assertEqual([r.get("provisional", False) for r in said], [True, False, False, False])
        self.assertEqual([r.get("late", False) for r in said], [False, False, True, False])
        self.assertEqual({r["agent"] for r in said}, {"gate-1"})

        def counted():  # the engine's counters are taken once a second
            pipeline = agent.status()["pipeline"]
            return (pipeline["results_published"], pipeline["early_results"])

        wait_until(lambda: counted() == (4, 1), 20, lambda: str(counted()))


if __name__ == "__main__":
    unittest.main()

"""Alerts: raised once, cleared once, published retained where DESIGN says, or where `do` says."""

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
    select = { n = "count()", mean = "mean(speed)" }

    [[alert]]
    name = "congestion"
    from = "ten"
    when = "mean < 20.0 && n > 1"
    clear = "mean > 30.0"
    severity = "critical"
"""

ODD = """
    [[source]]
    name = "loops"
    topics = ["city/{site}/loop"]
    columns = { speed = "float" }
    time = { field = "ts" }

    [[window]]
    name = "ten"
    from = "loops"
    size = "10s"
    select = { n = "count()" }

    [[alert]]
    name = "odd"
    from = "loops"
    by = ["site"]
    anomaly = { of = "speed" }
"""

# One number a window: raised by the 3rd, kept by the next two, cleared by the 6th, raised by the
# last.
MEANS = [50, 50, 10, 15, 25, 40, 50, 5]


class Alerts(Suite):
    def start(self, body=SOURCE):
        self.broker = self.mosquitto()
        self.agent = self.local_agent(body, self.broker)

    def play(self, means=MEANS, site="s1", first=0):
        publisher = Publisher(self.broker.port)
        for window, mean in enumerate(means, first):
            for step in range(3):
                publisher.publish(
                    f"city/{site}/loop",
                    {"ts": START_MS + 10_000 * window + 3000 * step, "speed": mean + step - 1},
                )
        publisher.publish(
            f"city/{site}/loop",
            {"ts": START_MS + 10_000 * (first + len(means)), "speed": means[-1]},
        )
        publisher.drain()
        publisher.close()

    def heard(self, listener, count):
        wait_until(
            lambda: len(listener.messages) >= count,
            30,
            lambda: f"{count} messages: {listener.messages}",
        )
        self.settle()
        self.assertEqual(len(listener.messages), count, listener.messages)
        return listener.messages

    def settle(self):
        """Until a marker published now has come round: nothing more is on its way."""
        marker = Listener(self.broker.port, "marker")
        publisher = Publisher(self.broker.port)
        publisher.publish("marker", "now")
        publisher.drain()
        publisher.close()
        wait_until(lambda: marker.messages, 20, "the marker")
        marker.close()

    def test_raised_and_cleared_once_and_the_last_state_is_retained(self):
        self.start()
        listener = Listener(self.broker.port, "weir/gate-1/alert/#")
        self.addCleanup(listener.close)
        self.play()
        messages = self.heard(listener, 3)
        self.assertEqual({topic for topic, *_ in messages}, {"weir/gate-1/alert/congestion/s1"})
        states = [json.loads(payload) for _, payload, _ in messages]
        self.assertEqual([state["state"] for state in states], ["raised", "cleared", "raised"])
        self.assertEqual([state["end"] - START_MS for state in states], [30_000, 60_000, 80_000])
        later = Listener(self.broker.port, "weir/gate-1/alert/#")
        self.addCleanup(later.close)
        wait_until(lambda: later.messages, 20, "the retained message")
        self.assertEqual(
            [(topic, retained) for topic, _, retained in later.messages],
            [("weir/gate-1/alert/congestion/s1", True)],
        )
        self.assertEqual(json.loads(later.messages[0][1])["state"], "raised")

    def test_it_is_logged(self):
        self.start()
        self.play(MEANS[:3])
        wait_until(lambda: "congestion" in self.agent.text(), 30, "the alert in the log")

    def test_each_key_has_its_own_state(self):
        self.start()
        listener = Listener(self.broker.port, "weir/gate-1/alert/#")
        self.addCleanup(listener.close)
        self.play([10, 10], "s1")
        self.play([50, 10], "s2")
        self.play([50, 50], "s3")
        messages = self.heard(listener, 2)
        self.assertEqual(
            sorted(topic for topic, *_ in messages),
            ["weir/gate-1/alert/congestion/s1", "weir/gate-1/alert/congestion/s2"],
        )

    def test_do_says_where_and_when(self):
        self.start(
            SOURCE
            + '    do = [{ mqtt = { topic = "signs/{site}", retain = false }, on = ["raise"] }]\n'
        )
        listener = Listener(self.broker.port, "signs/#")
        self.addCleanup(listener.close)
        elsewhere = Listener(self.broker.port, "weir/gate-1/alert/#")
        self.addCleanup(elsewhere.close)
        self.play()
        self.assertEqual([topic for topic, *_ in self.heard(listener, 2)], ["signs/s1"] * 2)
        self.assertEqual(elsewhere.messages, [])

    def test_a_detector_learns_across_a_kill_and_raises_at_what_it_has_not_seen(self):
        self.start(ODD)
        listener = Listener(self.broker.port, "weir/gate-1/alert/#")
        self.addCleanup(listener.close)
        publisher = Publisher(self.broker.port)
        self.addCleanup(publisher.close)

        def rows(first, speeds):
            for row, speed in enumerate(speeds, first):
                event = {"ts": START_MS + 1000 * row, "speed": speed}
                publisher.publish("city/s1/loop", event)
            publisher.drain()

        rows(0, [50 + row * 7 % 10 for row in range(300)])
        self.settle()
        self.agent.kill()
        self.agent.start()
        self.agent.ready()
        rows(300, [50, 500, 51])
        messages = self.heard(listener, 2)
        self.assertEqual({topic for topic, *_ in messages}, {"weir/gate-1/alert/odd/s1"})
        raised, cleared = (json.loads(payload) for _, payload, _ in messages)
        self.assertEqual((raised["state"], raised["start"]), ("raised", START_MS + 301_000))
        self.assertEqual((raised["window"], raised["key"]), ("loops", {"site": "s1"}))
        self.assertEqual(raised["values"]["speed"], 500)
        self.assertGreaterEqual(raised["values"]["score"], 0.99)
        self.assertEqual((cleared["state"], cleared["start"]), ("cleared", START_MS + 302_000))

    def restart_in_the_middle(self, end):
        """The states that a listener hears, with the agent ended while the alert is raised."""
        self.start()
        listener = Listener(self.broker.port, "weir/gate-1/alert/#")
        self.addCleanup(listener.close)
        self.play(MEANS[:4])
        self.heard(listener, 1)
        end()
        self.agent.start()
        self.agent.ready()
        self.play(MEANS[4:], first=4)
        wait_until(
            lambda: '"end":1767225680000' in "".join(p for _, p, _ in listener.messages),
            30,
            "the last",
        )
        self.settle()
        return [json.loads(payload) for _, payload, _ in listener.messages]

    def test_a_restart_repeats_and_forgets_nothing(self):
        states = self.restart_in_the_middle(lambda: self.assertEqual(self.agent.stop(), 0))
        self.assertEqual([state["state"] for state in states], ["raised", "cleared", "raised"])

    def test_sigkill_forgets_nothing_and_what_it_repeats_is_the_same(self):
        # Whether a message left before the kill cannot be known, so it may be sent again, to the
        # letter.
        states = self.restart_in_the_middle(self.agent_killed)
        once = [state for at, state in enumerate(states) if state not in states[:at]]
        self.assertEqual([state["state"] for state in once], ["raised", "cleared", "raised"])

    def agent_killed(self):
        self.agent.kill()


if __name__ == "__main__":
    unittest.main()

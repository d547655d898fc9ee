"""Two bridges share the agents through Kafka's consumer-group protocol: agents are sent to the bridge
that owns their partition, a bridge may die or sleep, and Kafka holds each result once.

Agents know one address, as of a balancer: a proxy that takes the first bridge that answers.
"""

import os
import shutil
import signal
import unittest

from weirtest.flaky_proxy import FlakyProxy
from weirtest.kafka_reader import check_once
from weirtest.process import wait_until
from weirtest.publish import Load
from weirtest.suite import KafkaSuite
from weirtest.weir import Agent, Bridge


class Bridges(KafkaSuite):
    AGENTS = 4

    def setUp(self):
        super().setUp()
        self.broker = self.mosquitto()
        self.bridges = [self.bridge(f"b{i}") for i in (1, 2)]
        self.wait_for_shares(self.bridges)
        self.balancer = FlakyProxy([bridge.port for bridge in self.bridges])
        self.addCleanup(self.balancer.close)
        self.agents = [self.agent(f"gate-{i}") for i in range(1, self.AGENTS + 1)]
        for agent in self.agents:
            agent.ready()
        self.read = self.reader()
        self.load = Load(self.broker.port, 200)

    def bridge(self, name):
        bridge = Bridge(
            self.folder / name,
            self.kafka.address,
            self.bridge_files,
            f'topic = "{self.results_topic}"\nalerts = "{self.alerts_topic}"\n'
            f'marks = "{self.marks_topic}"\n',
            bridge=f'name = "{name}"\n',
        )
        text = bridge.config.read_text()
        address = f"127.0.0.1:{bridge.port}"
        bridge.config.write_text(text.replace("[bridge]\n", f'[bridge]\nadvertise = "{address}"\n'))
        return self.begin(bridge)

    def agent(self, name, folder=None):
        certificate, key = self.authority.issue(name)
        return self.begin(
            Agent(
                self.folder / (folder or name),
                Load.SOURCE,
                broker=self.broker,
                bridge=f"tls://127.0.0.1:{self.balancer.port}",
                certificates=(self.authority.ca, certificate, key),
                name=name,
            )
        )

    def shares(self, bridge):
        """The partitions that a bridge has, by its log."""
        owned = set()
        for line in bridge.text().splitlines():
            for number in range(4):
                if f"[{number}] is ours now" in line:
                    owned.add(number)
                if f"[{number}] is ours no longer" in line:
                    owned.discard(number)
        return owned

    def wait_for_shares(self, bridges):
        wait_until(
            lambda: (shares := [self.shares(bridge) for bridge in bridges])
            and all(shares)
            and sum(map(len, shares)) == 4,
            90,
            lambda: f"each has a share: {[self.shares(bridge) for bridge in bridges]}",
        )

    def all_stream(self, what):
        wait_until(
            lambda: all(
                (status := agent.status()) and status["uplink"]["state"] == "streaming"
                for agent in self.agents
            ),
            120,
            lambda: f"{what}: "
            + "\n".join(agent.text()[-700:] for agent in self.agents),
        )

    def results_go_on(self, what, agents=None):
        counts = dict.fromkeys((agent.name for agent in agents or self.agents), 0)
        seen = len(self.read.results)

        def each_has_more(results):
            now = dict.fromkeys(counts, 0)
            for result in results[seen:]:
                if result.headers["agent"] in now:
                    now[result.headers["agent"]] += 1
            return all(count >= 8 for count in now.values())

        self.read.read_until(each_has_more, 150, f"results of every agent {what}")

    def check(self):
        self.load.close()
        expected = self.load.expected()
        self.read.read_until(
            lambda results: len({r.identity() for r in results}) >= self.AGENTS * len(expected),
            150,
            "the windows of all agents",
        )
        self.read.read_to_end()
        check_once(self, self.read.results)
        for agent in self.agents:
            found = {
                (r.value["key"]["site"], r.value["start"]): tuple(
                    r.value["values"][name] for name in ("n", "total", "first", "last")
                )
                for r in self.read.results
                if r.headers["agent"] == agent.name
            }
            self.assertEqual(found, expected, agent.name)

    def served_by(self, bridge):
        return [a for a in self.agents if a.status()["uplink"]["bridge"] == bridge.config.parent.name]

    def test_agents_are_sent_to_the_bridge_that_owns_them(self):
        self.all_stream("at first")
        self.results_go_on("at first")
        # By hash, 1 to 4 fall into more than one partition; those not of the first bridge were sent on.
        redirects = sum(agent.status()["uplink"]["redirects"] for agent in self.agents)
        self.assertEqual(redirects > 0, bool(self.served_by(self.bridges[1])))
        self.assertEqual(sum(len(self.served_by(bridge)) for bridge in self.bridges), self.AGENTS)
        self.check()

    def test_a_bridge_that_is_killed_is_replaced_and_comes_back(self):
        self.results_go_on("at first")
        victim = self.bridges[0]
        victim.kill()
        self.results_go_on("without the first bridge")
        victim.start()
        self.wait_for_shares(self.bridges)
        self.results_go_on("with it again")
        self.check()

    def test_a_bridge_that_is_stopped_hands_over_at_once(self):
        self.results_go_on("at first")
        self.assertEqual(self.bridges[0].stop(), 0)
        self.results_go_on("without the first bridge")
        self.check()

    def test_a_bridge_that_sleeps_while_its_partitions_move_is_fenced_and_not_believed(self):
        self.results_go_on("at first")
        sleeper = self.bridges[1] if self.served_by(self.bridges[1]) else self.bridges[0]
        other = self.bridges[0] if sleeper is self.bridges[1] else self.bridges[1]
        asleep = [agent.name for agent in self.served_by(sleeper)]
        os.kill(sleeper.pid, signal.SIGSTOP)
        try:
            wait_until(lambda: len(self.shares(other)) == 4, 90, "the other has all")
            # Its agents hear nothing, and stay (90 s of silence would end that) with what they have sent; but
            # one is started again meanwhile, and served by the other.
            self.balancer.target([other.port])
            moved = self.agents[[a.name for a in self.agents].index(asleep[0])] if asleep else self.agents[0]
            moved.kill()
            moved.start()
            self.results_go_on("while the bridge sleeps", [moved])
        finally:
            os.kill(sleeper.pid, signal.SIGCONT)
        self.balancer.target([bridge.port for bridge in self.bridges])
        self.wait_for_shares_after_sleep(sleeper)
        self.results_go_on("when it woke up")
        self.assertTrue(sleeper.running() and other.running())
        self.check()

    def wait_for_shares_after_sleep(self, sleeper):
        wait_until(
            lambda: "is ours no longer" in sleeper.text() and len(self.shares(sleeper)) in (1, 2, 3),
            90,
            lambda: f"it has noticed and has a share again:\n{sleeper.text()[-3000:]}",
        )

    def test_a_cloned_agent_is_noticed_and_nothing_comes_twice(self):
        self.results_go_on("at first")
        first = self.agents[0]
        first.kill()
        shutil.copytree(first.folder / "state", self.folder / "clone" / "state")
        first.start()
        self.results_go_on("after a restart")
        clone = self.agent(first.name, "clone")
        text = lambda: "".join(bridge.text() for bridge in self.bridges)  # noqa: E731
        wait_until(
            lambda: f"ALERT agent {first.name}" in text(),
            60,
            lambda: f"the clone is noticed:\n{text()[-3000:]}\n{clone.text()[-2000:]}",
        )
        clone.kill()
        self.read.read_to_end()
        ships = [r.shipped() for r in self.read.results]
        self.assertEqual(len(ships), len(set(ships)), "a ship number twice")


if __name__ == "__main__":
    unittest.main()

"""Connections broken in every way between the agent and its broker and between the agent and its
bridge: when the network has healed, Kafka holds what was published, each once.

The toxics and what each does: weirtest/flaky_proxy.py. WEIR_SEED repeats a run. With --long a half-open
connection is not ended by the proxy: both sides have to find out by themselves, which takes minutes.
"""

import os
import unittest

from weirtest import places
from weirtest.flaky_proxy import FlakyProxy, Toxic
from weirtest.process import free_port, wait_until
from weirtest.publish import Load
from weirtest.servers import Mosquitto
from weirtest.suite import KafkaSuite
from weirtest.totals import wait_for_totals
from weirtest.weir import Agent

SEED = int(os.environ.get("WEIR_SEED", "1"))
# How often a toxic has to show before it is taken off again.
EFFECTS = {"delay": 40, "throttle": 20, "slice": 40, "half_open": 1}


class Flaky(KafkaSuite):
    RATE = 400

    def setUp(self):
        super().setUp()
        ca, certificate, key = self.bridge_files
        # TLS to the agent, so that turned bits are noticed; plain for the load.
        secure = free_port()
        self.broker = self.mosquitto(
            extra=f"listener @PORT@ 127.0.0.1\n\nlistener {secure} 127.0.0.1\n"
            f"cafile {ca}\ncertfile {certificate}\nkeyfile {key}\n"
        )
        self.bridge = self.start_bridge()
        self.links = {"mqtt": FlakyProxy(secure), "uplink": FlakyProxy(self.bridge.port)}
        for proxy in self.links.values():
            self.addCleanup(proxy.close)
        self.agent = self.begin(
            Agent(
                self.folder / "agent",
                Load.SOURCE,
                broker=Secure(self.broker, self.links["mqtt"].port),
                bridge=f"tls://127.0.0.1:{self.links['uplink'].port}",
                certificates=self.agent_files,
                mqtt_more=f'tls.ca = "{ca}"\nkeep_alive = "5s"\n',
            )
        ).ready()
        self.read = self.reader()
        self.load = Load(self.broker.port, self.RATE)
        self.read.read_until(lambda results: len(results) >= 8, 60, "the first results")

    def bad(self, kind):
        for name, proxy in self.links.items():
            with self.subTest(link=name):
                proxy.take(kind, SEED)
                wait_until(
                    lambda: proxy.effects >= EFFECTS.get(kind, 3),
                    120,
                    lambda: f"{kind} shows on {name}: {proxy.effects} times\n{self.agent.text()}",
                )
                proxy.heal(forget_half_open=not places.LONG)
                before = len(self.read.results)
                self.read.read_until(
                    lambda results: len(results) >= before + 16,
                    400 if places.LONG else 90,
                    f"results after {kind} on {name}",
                )
        wait_for_totals(self, self.load, self.read)
        self.assertTrue(self.agent.running() and self.bridge.running())
        self.assertEqual(self.agent.starts, 1)


class Secure:
    """mosquitto as the agent sees it: by way of the proxy, with TLS."""

    def __init__(self, broker, port):
        self.url = f"mqtts://127.0.0.1:{port}"
        self.subscribed = broker.subscribed


for _kind in Toxic.KINDS:
    setattr(Flaky, f"test_{_kind}", lambda self, kind=_kind: self.bad(kind))


if __name__ == "__main__":
    unittest.main()

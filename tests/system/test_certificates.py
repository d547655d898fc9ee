"""Certificates and authorities are replaced under a running agent and a running bridge: neither is
started again, and nothing is lost or repeated."""

import os
import unittest

from weirtest.certificates import Authority
from weirtest.process import free_port, wait_until
from weirtest.publish import Load
from weirtest.suite import KafkaSuite
from weirtest.totals import wait_for_totals
from weirtest.weir import Agent


class Live:
    """The three files that a process was told of; put() replaces some of them as a tool would, each
    in one step."""

    def __init__(self, folder, ca, certificate, key):
        folder.mkdir()
        self.files = tuple(folder / name for name in ("ca.pem", "cert.pem", "key.pem"))
        self.put(ca, certificate, key)

    def put(self, ca=None, certificate=None, key=None):
        for file, source in zip(self.files, (ca, certificate, key)):
            if source:
                with open(f"{file}.new", "wb") as new:
                    new.write(source.read_bytes())
                os.replace(f"{file}.new", file)


class Rotation(KafkaSuite):
    def setUp(self):
        super().setUp()
        self.old = self.authority
        self.new = Authority(self.folder / "new", "The next authority")
        self.both = self.folder / "both.pem"
        self.both.write_bytes(self.old.ca.read_bytes() + self.new.ca.read_bytes())
        own = self.old.ca, *self.old.issue("gate-1")
        self.of_agent = Live(self.folder / "of-agent", *own)
        self.of_bridge = Live(self.folder / "of-bridge", *self.bridge_files)
        self.of_broker = Live(self.folder / "of-broker", *self.bridge_files)
        secure = free_port()
        ca, certificate, key = self.of_broker.files
        self.broker = self.mosquitto(
            extra=f"listener @PORT@ 127.0.0.1\n\nlistener {secure} 127.0.0.1\ncafile {ca}\n"
            f"certfile {certificate}\nkeyfile {key}\nrequire_certificate true\n"
        )
        self.bridge = self.start_bridge(self.of_bridge.files)
        ca, certificate, key = self.of_agent.files
        plain, self.broker.url = self.broker.url, f"mqtts://127.0.0.1:{secure}"
        self.agent = self.begin(
            Agent(
                self.folder / "agent",
                Load.SOURCE,
                broker=self.broker,
                bridge=self.bridge.url,
                certificates=self.of_agent.files,
                mqtt_more=f'tls.ca = "{ca}"\ntls.cert = "{certificate}"\ntls.key = "{key}"\n',
            )
        ).ready()
        self.broker.url = plain
        self.read = self.reader()
        self.load = Load(self.broker.port, 400)

    def goes_on(self, what):
        wait_until(
            lambda: (status := self.agent.status())
            and status["uplink"]["state"] == "streaming"
            and status["mqtt"][0]["connected"],
            60,
            lambda: f"{what}: all is connected\n{self.agent.text()[-3000:]}",
        )
        before = len(self.read.results)
        self.read.read_until(lambda results: len(results) >= before + 8, 90, what)

    def agent_takes(self, what, **files):
        status = self.agent.status()
        before = status["uplink"]["reloads"], status["mqtt"][0]["reloads"]
        self.of_agent.put(**files)
        wait_until(
            lambda: (status := self.agent.status())
            and status["uplink"]["reloads"] > before[0]
            and status["mqtt"][0]["reloads"] > before[1],
            60,
            lambda: f"{what}: both connections are renewed\n{self.agent.text()[-3000:]}",
        )
        self.goes_on(what)

    def bridge_takes(self, what, **files):
        sessions = self.agent.status()["uplink"]["sessions"]
        before = self.bridge.text().count("the certificate files are new")
        self.of_bridge.put(**files)
        wait_until(
            lambda: self.bridge.text().count("the certificate files are new") > before,
            60,
            lambda: f"{what}: the bridge takes them\n{self.bridge.text()[-3000:]}",
        )
        wait_until(
            lambda: self.agent.status()["uplink"]["sessions"] > sessions,
            60,
            lambda: f"{what}: the session is renewed\n{self.agent.text()[-3000:]}",
        )
        self.goes_on(what)

    def broker_takes(self, **files):
        # (mosquitto keeps its sessions over a stop; publishers wait.)
        self.load.pause()
        self.assertEqual(self.broker.stop(), 0)
        self.of_broker.put(**files)
        self.broker.start()
        self.load.resume()
        # (A connection that is down takes new files without being renewed.)
        self.goes_on("the broker's files")

    def test_certificates_and_then_the_authority_are_replaced(self):
        self.goes_on("before")
        certificate, key = self.old.issue("gate-1-renewed", common_name="gate-1")
        self.agent_takes("the agent's certificate", certificate=certificate, key=key)
        self.agent_takes("two authorities at the agent", ca=self.both)
        self.bridge_takes("two authorities at the bridge", ca=self.both)
        self.broker_takes(ca=self.both)
        certificate, key = self.new.issue("bridge")
        self.bridge_takes("a bridge of the new one", certificate=certificate, key=key)
        self.broker_takes(certificate=certificate, key=key)
        certificate, key = self.new.issue("gate-1")
        self.agent_takes("an agent of the new one", certificate=certificate, key=key)
        self.agent_takes("the old authority goes at the agent", ca=self.new.ca)
        self.bridge_takes("and at the bridge", ca=self.new.ca)
        wait_for_totals(self, self.load, self.read)
        self.assertEqual((self.agent.starts, self.bridge.starts), (1, 1))
        self.assertTrue(self.agent.running() and self.bridge.running())


if __name__ == "__main__":
    unittest.main()

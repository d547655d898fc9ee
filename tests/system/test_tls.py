"""Certificates that are wrong in any way are refused, with the reason, and no byte of the
application is sent."""

import socket
import threading
import unittest

from weirtest import places
from weirtest.certificates import Authority
from weirtest.process import Process, accepts, free_port, run, wait_until
from weirtest.publish import Load
from weirtest.servers import Mosquitto
from weirtest.suite import Suite
from weirtest.weir import Agent, Bridge


class Impostor(Process):
    """`openssl s_server` in the bridge's place; whatever it decrypts goes to its log."""

    def __init__(self, folder, certificate, key, ca, *options):
        self.port = free_port()
        super().__init__(
            [
                places.tool("openssl"),
                "s_server",
                "-accept",
                f"127.0.0.1:{self.port}",
                "-quiet",
                "-cert",
                certificate,
                "-key",
                key,
                "-CAfile",
                ca,
                *options,
            ],
            folder / "s_server.log",
        )
        self.url = f"tls://127.0.0.1:{self.port}"

    def start(self):
        super().start()
        # (The probe itself shows in the log as a handshake that ended.)
        wait_until(lambda: accepts(self.port), 20, "s_server listens")
        return self


class Uplink(Suite):
    def agent_with(self, url, files, name="gate-1"):
        return self.begin(
            Agent(
                self.folder / "agent",
                Load.SOURCE,
                broker=self.mosquitto(),
                bridge=url,
                certificates=files,
                name=name,
            )
        ).ready()

    def refusal(self, agent, *words):
        """The reason that the agent gives, which has one of words; never a session."""
        uplink = wait_until(
            lambda: (status := agent.status())
            and status["uplink"]["failures"]
            and status["uplink"],
            30,
            "a failure of the uplink",
        )
        self.assertEqual(uplink["sessions"], 0)
        self.assertTrue(any(word in uplink["reason"].lower() for word in words), uplink["reason"])
        self.assertTrue(
            any(word in agent.text().lower() for word in words), "the reason is in the log"
        )

    def bad_server(self, certificate, key, *words, options=()):
        impostor = self.begin(Impostor(self.folder, certificate, key, self.authority.ca, *options))
        agent = self.agent_with(impostor.url, self.agent_files)
        self.refusal(agent, *words)
        agent.kill()
        self.assertNotIn(
            "gate-1", impostor.log.read_text(errors="replace"), "the greeting names the agent"
        )

    def test_a_good_one_is_served(self):
        bridge = self.begin(Bridge(self.folder / "bridge", None, self.bridge_files))
        agent = self.agent_with(bridge.url, self.agent_files)
        wait_until(
            lambda: agent.status()["uplink"]["state"] == "streaming",
            30,
            lambda: agent.status()["uplink"],
        )

    def test_a_bridge_of_an_unknown_authority_with_the_same_name(self):
        other = Authority(self.folder / "other")
        self.bad_server(*other.issue("bridge"), "trusted", "authority", "unknown ca", "not signed")

    def test_a_self_signed_bridge(self):
        certificate, key = self.folder / "self.pem", self.folder / "self.key"
        run(
            places.tool("openssl"),
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            key,
            "-out",
            certificate,
        )
        self.bad_server(certificate, key, "trusted", "authority", "not signed")

    def test_an_expired_bridge(self):
        self.bad_server(*self.authority.issue("old", expired=True), "expired")

    def test_a_bridge_under_another_host_name(self):
        self.bad_server(
            *self.authority.issue("elsewhere", hosts="DNS:bridge.example.org"), "name", "127.0.0.1"
        )

    def test_a_client_certificate_in_the_bridges_place(self):
        self.bad_server(*self.authority.issue("client", usage="clientAuth"), "usage")

    def test_a_bridge_that_speaks_tls_1_1_only(self):
        self.bad_server(
            *self.bridge_files[1:],
            "version",
            "handshake",
            "protocol",
            "alert",
            options=("-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"),
        )

    def test_something_that_does_not_speak_tls(self):
        received = bytearray()
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def serve():
                try:
                    while True:
                        peer, _ = listener.accept()
                        with peer:
                            peer.settimeout(5)
                            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                            while part := peer.recv(4096):
                                received.extend(part)
                except OSError:
                    pass

            threading.Thread(target=serve, daemon=True).start()
            agent = self.agent_with(
                f"tls://127.0.0.1:{listener.getsockname()[1]}", self.agent_files
            )
            self.refusal(agent, "tls", "handshake", "ssl", "record")
            agent.kill()
        self.assertNotIn(b"gate-1", received)

    def test_an_agent_of_an_unknown_authority(self):
        other = Authority(self.folder / "other")
        bridge = self.begin(Bridge(self.folder / "bridge", None, self.bridge_files))
        agent = self.agent_with(bridge.url, (self.authority.ca, *other.issue("gate-1")))
        self.refusal(agent, "alert", "unknown", "refused", "closed", "certificate")
        wait_until(lambda: "certificate" in bridge.text().lower(), 20, "the bridge says why")

    def test_an_agent_whose_certificate_has_expired(self):
        bridge = self.begin(Bridge(self.folder / "bridge", None, self.bridge_files))
        files = (
            self.authority.ca,
            *self.authority.issue("gate-old", common_name="gate-1", expired=True),
        )
        agent = self.agent_with(bridge.url, files)
        self.refusal(agent, "alert", "expired", "refused", "closed", "certificate")
        wait_until(lambda: "expired" in bridge.text().lower(), 20, "the bridge says why")

    def test_a_client_without_a_certificate_is_not_served(self):
        bridge = self.begin(Bridge(self.folder / "bridge", None, self.bridge_files))
        code, out, err = run(
            places.tool("openssl"),
            "s_client",
            "-connect",
            f"127.0.0.1:{bridge.port}",
            "-CAfile",
            self.authority.ca,
            "-quiet",
            text="hello\n",
            seconds=30,
        )
        self.assertEqual(out, "")

    def test_an_id_other_than_the_certificates_is_a_bad_configuration(self):
        agent = Agent(
            self.folder / "agent",
            Load.SOURCE,
            broker=self.mosquitto(),
            bridge="tls://127.0.0.1:1",
            certificates=self.agent_files,
            name="gate-2",
        )
        code, out, err = run(places.WEIR, "check", agent.config)
        self.assertEqual(code, 78, out + err)
        self.assertIn("gate-1", out + err)


class Broker(Suite):
    """The other TLS stack: Paho with OpenSSL, towards mosquitto."""

    def broker_with(self, certificate, key, ca, more=""):
        folder = self.folder / "mosquitto"
        broker = Mosquitto(
            folder,
            extra=f"listener @PORT@ 127.0.0.1\ncafile {ca}\ncertfile {certificate}\n"
            f"keyfile {key}\n{more}",
        )
        broker.url = f"mqtts://127.0.0.1:{broker.port}"
        return self.begin(broker)

    def agent_at(self, broker, tls=None):
        ca, certificate, key = self.agent_files
        lines = (
            tls
            if tls is not None
            else f'tls.ca = "{ca}"\ntls.cert = "{certificate}"\ntls.key = "{key}"\n'
        )
        return self.begin(Agent(self.folder / "agent", Load.SOURCE, broker=broker, mqtt_more=lines))

    def refusal(self, agent, broker):
        wait_until(
            lambda: (status := agent.status()) and status["mqtt"][0]["failed_connections"],
            30,
            lambda: f"a failed connection:\n{agent.text()}",
        )
        self.assertFalse(agent.status()["mqtt"][0]["connected"])
        self.assertNotIn("weir-gate-1", broker.text(), "no CONNECT was sent")

    def test_mutual_tls(self):
        broker = self.broker_with(
            *self.bridge_files[1:], self.authority.ca, "require_certificate true\n"
        )
        self.agent_at(broker).ready()

    def test_an_unknown_authority(self):
        other = Authority(self.folder / "other")
        broker = self.broker_with(*other.issue("broker"), self.authority.ca)
        self.refusal(self.agent_at(broker), broker)

    def test_an_expired_broker(self):
        broker = self.broker_with(*self.authority.issue("old", expired=True), self.authority.ca)
        self.refusal(self.agent_at(broker), broker)

    def test_another_host_name(self):
        broker = self.broker_with(
            *self.authority.issue("elsewhere", hosts="DNS:broker.example.org"), self.authority.ca
        )
        self.refusal(self.agent_at(broker), broker)

    def test_no_authority_configured_means_the_systems_and_not_none(self):
        broker = self.broker_with(*self.bridge_files[1:], self.authority.ca)
        self.refusal(self.agent_at(broker, tls=""), broker)


if __name__ == "__main__":
    unittest.main()

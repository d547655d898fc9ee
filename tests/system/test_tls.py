"""The TLS misuse matrix: every kind of bad server towards the agent's uplink (mbedTLS) and its MQTT
connection (Paho's OpenSSL), every kind of bad client towards the bridge. Each is refused, with its
reason in one line of the log, no byte of the application is sent, and the next try is put off.

(A handshake cut after each of its bytes: tests/unit/uplink, TlsCuts, and tests/unit/drivers, MqttTlsCuts.)
"""

import time
import unittest

from weirtest import places
from weirtest.certificates import KINDS, Factory
from weirtest.process import run, wait_until
from weirtest.publish import Load
from weirtest.servers import Mosquitto
from weirtest.suite import Suite
from weirtest.tls_peers import TLS_1_0, TLS_1_1, BadClient, BadServer, Tap, hello
from weirtest.weir import Agent, Bridge

UNTRUSTED = ("not signed by the configured authority", "was not issued by")
# How a bad server shows itself: what the uplink says of it, and the MQTT connection.
BAD_SERVERS = {
    "expired": ("has expired", "has expired"),
    "not_yet_valid": ("is not valid yet", "not yet valid"),
    "wrong_host": ("not for the name 127.0.0.1", "not for '127.0.0.1'"),
    "wrong_usage": ("not meant for this use", "purpose"),
    "wrong_extended_usage": ("not meant for this use", "purpose"),
    "sha1": ("weak hash", "too weak"),
    "rsa1024": ("key that is too weak", "too weak"),
    "revoked": ("has been revoked", None),  # MQTT has no revocation lists, and its configuration says so
    "unknown_authority": UNTRUSTED,
    "authority_of_the_same_name": UNTRUSTED,
    "self_signed": UNTRUSTED,
    "signed_by_a_leaf": ("not signed by the configured authority", "invalid CA"),
    "tls_1_0": ("alert", "protocol version"),
    "tls_1_1": ("alert", "protocol version"),
    "no_tls": ("SSL", "TLS"),
    "cut_at_once": ("closed the connection during the handshake", "TLS"),
    "cut_in_the_certificate": ("closed the connection during the handshake", "TLS"),
}
# And a bad client: what the bridge says of it.
BAD_CLIENTS = {
    "expired": "has expired",
    "not_yet_valid": "is not valid yet",
    "wrong_usage": "not meant for this use",
    "wrong_extended_usage": "not meant for this use",
    "sha1": "weak hash",
    "rsa1024": "key that is too weak",
    "revoked": "has been revoked",
    "unknown_authority": "not signed by the configured authority",
    "authority_of_the_same_name": "not signed by the configured authority",
    "self_signed": "not signed by the configured authority",
    "signed_by_a_leaf": "not signed by the configured authority",
    "absent": "was not shown",
    "tls_1_0": "SSL",
    "tls_1_1": "SSL",
    "no_tls": "SSL",
    "cut_handshake": "closed the connection during the handshake",
}
VERSIONS = {"tls_1_0": TLS_1_0, "tls_1_1": TLS_1_1}


class Matrix(Suite):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.factory = Factory(cls.root / "factory")
        cls.ca = cls.factory.authority.ca


class BadServers(Matrix):
    """For each kind an agent whose uplink and whose MQTT connection both meet it, all at once."""

    # With full jitter pauses of up to 1, 2, 4 ... 60 s: more tries than this within the run of the
    # suite would be a pause that does not grow.
    MQTT_TRIES = 16

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.servers, cls.agents = {}, {}
        for kind, (_, mqtt) in BAD_SERVERS.items():
            cls.servers["uplink", kind] = cls.server(kind)
            if mqtt:
                cls.servers["mqtt", kind] = cls.server(kind)
        for kind in BAD_SERVERS:
            cls.agents[kind] = cls.agent(kind)
        cls.begun = time.monotonic()

    @classmethod
    def server(cls, kind):
        if kind == "no_tls":
            server = BadServer(plain=b"HTTP/1.1 400 Bad Request\r\n\r\n")
        else:
            files = cls.factory.files("server", kind if kind in KINDS else "good")
            cut = {"cut_at_once": 0, "cut_in_the_certificate": 300}.get(kind)
            server = BadServer(*files, cls.ca, VERSIONS.get(kind), cut=cut)
        cls.addClassCleanup(server.close)
        return server

    @classmethod
    def agent(cls, kind):
        class Broker:
            port = cls.servers.get(("mqtt", kind), cls.servers["uplink", kind]).port
            url = f"mqtts://127.0.0.1:{port}"

        certificate, key = cls.factory.files("client")
        agent = Agent(
            cls.root / f"a{len(cls.agents)}",
            Load.SOURCE,
            broker=Broker if BAD_SERVERS[kind][1] else None,
            bridge=f"tls://127.0.0.1:{cls.servers['uplink', kind].port}",
            certificates=(cls.ca, certificate, key),
            uplink=f'tls.crl = "{cls.factory.crl}"\n',
            mqtt_more=f'tls.ca = "{cls.ca}"\ntls.cert = "{certificate}"\ntls.key = "{key}"\n',
        )
        if not BAD_SERVERS[kind][1]:
            # (An agent wants a connection; nobody listens there.)
            agent.config.write_text('[mqtt]\nurl = "mqtt://127.0.0.1:1"\n' + agent.config.read_text())
        agent.start()
        cls.addClassCleanup(agent.kill)
        return agent

    def uplink(self, kind):
        agent, server = self.agents[kind], self.servers["uplink", kind]
        words = BAD_SERVERS[kind][0]
        uplink = wait_until(
            lambda: (status := agent.status())
            and status["uplink"]["failures"]
            and status["uplink"],
            30,
            lambda: f"a failure of the uplink:\n{agent.text()}",
        )
        self.assertIn(words, uplink["reason"])
        self.assertEqual(uplink["sessions"], 0)
        self.assertEqual(server.handshakes, 0, "no handshake was finished")
        if kind == "no_tls":
            self.assertNotIn(b"gate-1", server.application)
        else:
            self.assertEqual(bytes(server.application), b"")
        said = [line for line in agent.text().splitlines() if "uplink" in line and words in line]
        self.assertEqual(len(said), 1, agent.text())
        # What only a person can mend waits for minutes after its second time, the rest ever longer.
        self.assertIn("next try in", said[0])
        if "certificate" in said[0]:
            uplink = wait_until(
                lambda: (status := agent.status())
                and status["uplink"]["failures"] == 2
                and status["uplink"],
                30,
                lambda: f"the second try:\n{agent.text()}",
            )
            self.assertEqual(server.attempts, 2)
            self.assertEqual(uplink["circuit"], "open")
            self.assertGreaterEqual(uplink["next_try_seconds"], 100)

    def mqtt(self, kind):
        agent, server = self.agents[kind], self.servers["mqtt", kind]
        words = BAD_SERVERS[kind][1]
        mqtt = wait_until(
            lambda: (status := agent.status())
            and status["mqtt"][0]["failed_connections"] >= 2
            and status["mqtt"][0],
            30,
            lambda: f"failures of the MQTT connection:\n{agent.text()}",
        )
        self.assertFalse(mqtt["connected"])
        self.assertEqual(mqtt["connections"], 0)
        if kind != "wrong_host":  # Paho looks at the name after the handshake, and says nothing then
            self.assertEqual(server.handshakes, 0, "no handshake was finished")
        if kind == "no_tls":
            self.assertNotIn(b"MQTT", server.application)
        else:
            self.assertEqual(bytes(server.application), b"")
        said = [line for line in agent.text().splitlines() if "cannot connect to mqtts" in line]
        # (How an early end shows itself may vary, as an end or a reset: a line each.)
        self.assertLessEqual(len(said), 3 if kind.startswith("cut") else 1, agent.text())
        self.assertIn(words, said[0])
        self.assertLess(mqtt["failed_connections"], self.MQTT_TRIES)
        self.assertLessEqual(server.attempts, 2 * mqtt["failed_connections"] + 2)  # and the probes


class BadClients(Matrix):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        files = (cls.ca, *cls.factory.files("server"))
        cls.bridge = Bridge(
            cls.root / "bridge", None, files, bridge=f'tls.crl = "{cls.factory.crl}"\n'
        )
        cls.bridge.start()
        cls.addClassCleanup(cls.bridge.kill)

    def client(self, kind):
        client = BadClient(self.bridge.port)
        if kind == "no_tls":
            return client, lambda: client.send_plainly(b"GET / HTTP/1.1\r\n\r\n")
        if kind == "cut_handshake":
            return client, lambda: client.send_plainly(b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03")
        files = () if kind == "absent" else self.factory.files(
            "client", kind if kind in KINDS else "good"
        )
        client = BadClient(self.bridge.port, *files, version=VERSIONS.get(kind), host=client.host)
        return client, lambda: client.talk(hello("gate-1"))

    def refused(self, kind):
        client, attack = self.client(kind)
        attack()
        self.assertTrue(client.refused or kind in ("no_tls", "cut_handshake"), "a finished handshake")
        if kind not in ("no_tls", "cut_handshake"):  # those see the bytes of the alert
            self.assertEqual(client.application, b"")
        for _ in range(4):
            attack()
        wait_until(
            lambda: BAD_CLIENTS[kind] in "".join(self.said(client)),
            20,
            lambda: f"the bridge says why:\n{self.said(client)}\n{self.bridge.text()[-2000:]}",
        )
        self.assertEqual(len(self.said(client)), 1, "one line for five attempts")

    def said(self, client):
        return [line for line in self.bridge.text().splitlines() if f"{client.host}:" in line]

    def test_a_good_one_is_served(self):
        agent = Agent(
            self.folder / "agent",
            Load.SOURCE,
            broker=self.mosquitto(),
            bridge=self.bridge.url,
            certificates=(self.ca, *self.factory.files("client")),
        )
        self.begin(agent)
        wait_until(
            lambda: (status := agent.status()) and status["uplink"]["state"] == "streaming",
            30,
            lambda: agent.text(),
        )

    def test_the_name_of_another_agent(self):
        client = BadClient(self.bridge.port, *self.factory.files("client"))
        client.talk(hello("gate-2"))
        self.assertIn(b'"gate-1", not of "gate-2"', client.application)
        self.assertIn("refused (identity)", "".join(self.said(client)))

    def test_a_ping_before_a_greeting(self):
        client = BadClient(self.bridge.port, *self.factory.files("client"))
        client.talk(b"\x00\x00\x00\x04\x32\x02\x08\x01")
        self.assertIn("first frame must be Hello", "".join(self.said(client)))

    def test_a_recorded_session_replayed(self):
        recorded = bytearray()
        with Tap(self.bridge.port, recorded) as tap:
            good = BadClient(tap.port, *self.factory.files("client"), host="127.0.0.1")
            good.greet_and_leave(hello("gate-1"))
        self.assertGreater(len(recorded), 800)
        self.assertIn("agent gate-1", self.bridge.text())
        greeted = self.bridge.text().count("goes on after ship")
        client = BadClient(self.bridge.port)
        client.send_plainly(bytes(recorded))
        wait_until(lambda: "refused" in "".join(self.said(client)), 20, "the replay is refused")
        self.assertEqual(self.bridge.text().count("goes on after ship"), greeted)


def _add(suite, name, method, kind):
    test = lambda self: getattr(self, method)(kind)  # noqa: E731
    setattr(suite, f"test_{name}_{kind}", test)


for _kind, (_, _mqtt) in BAD_SERVERS.items():
    _add(BadServers, "uplink", "uplink", _kind)
    if _mqtt:
        _add(BadServers, "mqtt", "mqtt", _kind)
for _kind in BAD_CLIENTS:
    _add(BadClients, "bridge", "refused", _kind)


class Configured(Suite):
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

    def test_a_revocation_list_for_mqtt_is_refused_with_the_reason(self):
        agent = Agent(
            self.folder / "agent",
            Load.SOURCE,
            broker=self.mosquitto(),
            mqtt_more=f'tls.crl = "{self.authority.revoke()}"\n',
        )
        agent.config.write_text(agent.config.read_text().replace("mqtt://", "mqtts://"))
        code, out, err = run(places.WEIR, "check", agent.config)
        self.assertEqual(code, 78, out + err)
        self.assertIn("revocation lists are checked for [uplink] only", out + err)

    def broker_with(self, *more):
        ca, certificate, key = self.bridge_files
        lines = [f"cafile {ca}", f"certfile {certificate}", f"keyfile {key}", *more]
        broker = Mosquitto(
            self.folder / "mosquitto", extra="\n".join(["listener @PORT@ 127.0.0.1", *lines]) + "\n"
        )
        broker.url = f"mqtts://127.0.0.1:{broker.port}"
        return self.begin(broker)

    def test_mutual_tls_towards_the_broker(self):
        ca, certificate, key = self.agent_files
        lines = f'tls.ca = "{ca}"\ntls.cert = "{certificate}"\ntls.key = "{key}"\n'
        broker = self.broker_with("require_certificate true")
        agent = Agent(self.folder / "agent", Load.SOURCE, broker=broker, mqtt_more=lines)
        self.begin(agent).ready()

    def test_no_authority_configured_means_the_systems_and_not_none(self):
        broker = self.broker_with()
        agent = self.begin(Agent(self.folder / "agent", Load.SOURCE, broker=broker))
        wait_until(
            lambda: (status := agent.status()) and status["mqtt"][0]["failed_connections"],
            30,
            lambda: f"a failed connection:\n{agent.text()}",
        )
        self.assertFalse(agent.status()["mqtt"][0]["connected"])
        self.assertNotIn("weir-gate-1", broker.text(), "no CONNECT was sent")


if __name__ == "__main__":
    unittest.main()

"""What suites share: a temporary folder, certificates, and the whole chain from mosquitto to
Kafka."""

import itertools
import tempfile
import unittest
from pathlib import Path

from . import places
from .certificates import Authority
from .kafka_reader import Reader
from .servers import Kafka, Mosquitto
from .weir import Agent, Bridge

_numbers = itertools.count(1)


class Suite(unittest.TestCase):
    """A temporary folder and an authority for the class; a mosquitto for each test."""

    @classmethod
    def setUpClass(cls):
        places.need_weir()
        cls._temporary = tempfile.TemporaryDirectory(prefix="weir-system-")
        cls.addClassCleanup(cls._temporary.cleanup)
        cls.root = Path(cls._temporary.name)
        cls.authority = Authority(cls.root / "authority")
        cls.bridge_files = (cls.authority.ca, *cls.authority.issue("bridge"))
        cls.agent_files = (cls.authority.ca, *cls.authority.issue("gate-1"))

    def setUp(self):
        # Short: the path of a Unix socket has room for 107 bytes.
        self.folder = self.root / f"t{next(_numbers)}"
        self.folder.mkdir()

    def begin(self, process):
        """Starts a process that ends, with its log shown if the test failed, when the test ends."""
        process.start()
        self.addCleanup(self._end, process)
        return process

    def _end(self, process):
        process.kill()
        result = self._outcome.result
        failed = [getattr(test, "test_case", test) for test, _ in result.failures + result.errors]
        if self in failed:
            text = process.log.read_text(errors="replace")
            print(f"\n--- {process.log.name} of {self.id()}\n{text[-4000:]}", flush=True)

    def mosquitto(self, **more):
        return self.begin(Mosquitto(self.folder / "mosquitto", **more))

    def local_agent(self, body, broker, **more):
        """An analyser without an uplink, which prints its results to its log."""
        agent = Agent(self.folder / "agent", body, broker=broker, arguments=["--print"], **more)
        return self.begin(agent).ready()


class KafkaSuite(Suite):
    """With one Kafka for the class; topics of their own for each test."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.kafka = Kafka(cls.root / "kafka").start()
        cls.addClassCleanup(cls.kafka.kill)

    def setUp(self):
        super().setUp()
        if not self.kafka.running():  # a test before this one ended in the middle of its outage
            self.kafka.start()
        prefix = self.folder.name
        self.results_topic, self.alerts_topic, self.marks_topic = (
            f"{prefix}.{name}" for name in ("results", "alerts", "marks")
        )
        self.kafka.topics(**{f"{prefix}_results": 4, f"{prefix}_alerts": 1, f"{prefix}_marks": 4})

    def start_bridge(self, files=None):
        """A bridge to the topics of this test; files are (ca, certificate, key)."""
        return self.begin(
            Bridge(
                self.folder / "bridge",
                self.kafka.address,
                files or self.bridge_files,
                f'topic = "{self.results_topic}"\nalerts = "{self.alerts_topic}"\n'
                f'marks = "{self.marks_topic}"\n',
            )
        )

    def chain(self, body, agent="", uplink="", broker=""):
        """mosquitto, bridge and agent, ready for events. The texts are more lines of their
        configurations."""
        self.broker = self.mosquitto(extra=broker)
        self.bridge = self.start_bridge()
        self.agent = self.begin(
            Agent(
                self.folder / "agent",
                body,
                broker=self.broker,
                bridge=self.bridge.url,
                certificates=self.agent_files,
                agent=agent,
                uplink=uplink,
            )
        )
        self.agent.ready()

    def reader(self, topic=None):
        reader = Reader(self.kafka.address, topic or self.results_topic)
        self.addCleanup(reader.close)
        return reader

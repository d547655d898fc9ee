"""The peers of Weir: a real mosquitto and a real Apache Kafka, on free loopback ports."""

import atexit
import shutil
import subprocess

from confluent_kafka.admin import AdminClient, NewTopic

from . import places
from .process import Process, accepts, free_port, wait_until

BROKER = places.SYSTEM / "kafka" / "broker"


class Mosquitto(Process):
    """A broker with persistence, the limits that Weir ships, and whatever else extra says."""

    def __init__(self, folder, limits=True, extra=""):
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.url = f"mqtt://127.0.0.1:{self.port}"
        settings = folder / "mosquitto.conf"
        lines = ["per_listener_settings false", "allow_anonymous true", "persistence true",
                 f"persistence_location {folder}/", "autosave_interval 3600"]
        # mosquitto run by root becomes another user, which could not write here.
        lines.append("user root")
        if limits:
            if not places.BROKER_LIMITS.exists():
                lines += ["max_queued_messages 0", "max_queued_bytes 0"]
            else:
                lines.append(places.BROKER_LIMITS.read_text())
        lines += [extra if "listener " in extra else f"listener {self.port} 127.0.0.1\n{extra}"]
        settings.write_text("\n".join(lines).replace("@PORT@", str(self.port)) + "\n")
        super().__init__([places.tool("mosquitto"), "-c", settings], folder / "mosquitto.log")

    def start(self):
        super().start()
        wait_until(lambda: accepts(self.port) or not self.running(), 20, "mosquitto listens")
        assert self.running(), self.text()
        return self


class Kafka:
    """A broker in a folder. stop() and kill() keep the data; start() goes on with it."""

    def __init__(self, folder):
        for name in ("java", "setsid"):
            places.tool(name)
        self.folder = folder
        self.address = None
        atexit.register(self.kill)

    def start(self):
        # Popen and not run(): the broker must not hold a pipe of ours open.
        with open(self.folder.parent / "kafka-start", "w+") as out:
            code = subprocess.call([BROKER, "start", self.folder], stdout=out,
                                   stdin=subprocess.DEVNULL)
            out.seek(0)
            self.address = out.read().strip()
        assert code == 0, "Kafka did not start"
        return self

    def stop(self):
        subprocess.call([BROKER, "stop", self.folder])

    def kill(self):
        subprocess.call([BROKER, "kill", self.folder])

    def topics(self, **partitions):
        """Makes topics, by name (with _ for .) and number of partitions; marks topics are compacted."""
        admin = AdminClient({"bootstrap.servers": self.address})
        wanted = []
        for name, count in partitions.items():
            name = name.replace("_", ".")
            config = {"cleanup.policy": "compact"} if name.endswith("marks") else {}
            wanted.append(NewTopic(name, count, 1, config=config))
        for name, made in admin.create_topics(wanted, operation_timeout=30).items():
            made.result(30)


def scratch(folder):
    """Removes what a suite left in its temporary folder."""
    shutil.rmtree(folder, ignore_errors=True)

"""The peers of Weir: a real mosquitto and a real Apache Kafka, on free loopback ports."""

import atexit
import re
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
        lines = [
            "per_listener_settings false",
            "allow_anonymous true",
            "persistence true",
            f"persistence_location {folder}/",
        ]
        if "autosave_interval" not in extra:
            lines.append("autosave_interval 3600")
        # mosquitto run by root becomes another user, which could not write here.
        lines += ["user root"]
        lines += ["log_type " + kind for kind in ("error", "warning", "notice", "subscribe")]
        if limits:
            shipped = places.BROKER_LIMITS.read_text()
            lines.append(re.sub(r"(?m)^(persistence|autosave).*$", "", shipped))
        lines += [extra if "listener " in extra else f"listener {self.port} 127.0.0.1\n{extra}"]
        settings.write_text("\n".join(lines).replace("@PORT@", str(self.port)) + "\n")
        super().__init__([places.tool("mosquitto"), "-c", settings], folder / "mosquitto.log")

    def start(self):
        super().start()
        wait_until(lambda: accepts(self.port) or not self.running(), 20, "mosquitto listens")
        assert self.running(), self.text()
        return self

    def subscribed(self, client):
        """Whether a client has ever subscribed to something here: its session then keeps
        messages for it."""
        return re.search(
            rf"^\d+: {re.escape(client)} [012] ", self.log.read_text(errors="replace"), re.M
        )


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
            code = subprocess.call(
                [BROKER, "start", self.folder], stdout=out, stdin=subprocess.DEVNULL
            )
            out.seek(0)
            self.address = out.read().strip()
        assert code == 0, "Kafka did not start"
        return self

    def running(self):
        return self.address is not None and accepts(int(self.address.rpartition(":")[2]))

    def stop(self):
        subprocess.call([BROKER, "stop", self.folder])

    def kill(self):
        subprocess.call([BROKER, "kill", self.folder])

    def topics(self, **partitions):
        """Makes topics, by name (with _ for .) and number of partitions; marks topics are
        compacted."""
        admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        wanted = []
        for name, count in partitions.items():
            name = name.replace("_", ".")
            config = {"cleanup.policy": "compact"} if name.endswith("marks") else {}
            wanted.append(NewTopic(name, count, 1, config=config))
        for name, made in admin.create_topics(wanted, operation_timeout=30).items():
            made.result(30)

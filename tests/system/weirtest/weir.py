"""The agent and the bridge as processes, and their configurations."""

import json
import textwrap

from . import places
from .process import Process, accepts, free_port, run, wait_until


class Agent(Process):
    """`weir run` in a folder of its own."""

    def __init__(
        self,
        folder,
        body,
        broker=None,
        bridge=None,
        certificates=None,
        name="gate-1",
        agent="",
        uplink="",
        arguments=(),
        mqtt_more="",
        preexec=None,
        environment=None,
    ):
        """certificates is (ca, certificate, key). agent, uplink and mqtt_more are more lines of
        those tables."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.name = name
        self._broker = broker
        self.state = folder / "state"
        self.config = folder / "weir.toml"
        parts = [
            f'[agent]\nid = "{name}"\nstate = "{self.state}"\nrun = "{folder / "run"}"\n'
            # Windows of a second close more often than any flash would like.
            + 'flash_budget = "1000GiB/day"\n'
            + textwrap.dedent(agent)
        ]
        if broker:
            parts.append(f'[mqtt]\nurl = "{broker.url}"\n' + textwrap.dedent(mqtt_more))
        parts.append(textwrap.dedent(body))
        if bridge:
            ca, certificate, key = certificates
            parts.append(
                f'[uplink]\nurl = "{bridge}"\nrate = "16MiB/s"\ntls.ca = "{ca}"\n'
                f'tls.cert = "{certificate}"\ntls.key = "{key}"\n' + textwrap.dedent(uplink)
            )
        self.config.write_text("\n".join(parts))
        for sub in ("state", "run"):
            (folder / sub).mkdir(exist_ok=True)
        super().__init__(
            [places.WEIR, "run", self.config, *arguments], folder / "weir.log", env=environment, preexec=preexec
        )

    def status(self):
        """`weir status --json`, or None while the agent does not answer."""
        code, out, _ = run(places.WEIR, "status", self.config, "--json")
        return json.loads(out) if code == 0 else None

    def ready(self, seconds=30):
        """Until it is connected and its broker knows its session: what is published from then
        on is kept for it."""

        def connected():
            assert self.running(), f"the agent ended:\n{self.text()[-3000:]}"
            status = self.status()
            return (
                status
                and all(link["connected"] for link in status["mqtt"])
                and self._broker.subscribed(f"weir-{self.name}")
            )

        wait_until(connected, seconds, lambda: f"the agent subscribes:\n{self.text()[-3000:]}")
        return self


def counters(status):
    """Every number in a status, by its dotted path."""
    flat = {}

    def walk(path, value):
        if isinstance(value, dict):
            for name, inner in value.items():
                walk(f"{path}.{name}" if path else name, inner)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                name = inner.get("name", index) if isinstance(inner, dict) else index
                walk(f"{path}.{name}", inner)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            flat[path] = value

    walk("", status)
    return flat


class Bridge(Process):
    """`weir-bridge run`; kafka is HOST:PORT, or None for the mock cluster."""

    def __init__(self, folder, kafka, certificates, options="", bridge=""):
        """options and bridge are more lines of [kafka] and of [bridge]."""
        folder.mkdir(parents=True, exist_ok=True)
        ca, certificate, key = certificates
        self.port = free_port()
        self.url = f"tls://127.0.0.1:{self.port}"
        self.config = folder / "bridge.toml"
        self.mock_address = folder / "mock-address"
        self.config.write_text(
            f'[bridge]\nlisten = "127.0.0.1:{self.port}"\ntls.ca = "{ca}"\n'
            f'tls.cert = "{certificate}"\ntls.key = "{key}"\n'
            + textwrap.dedent(bridge)
            + "\n[kafka]\n"
            + f'brokers = "{kafka or "mock"}"\n'
            + textwrap.dedent(options)
        )
        command = [places.BRIDGE, "run", self.config]
        if not kafka:
            command += ["--mock", "--mock-address-file", self.mock_address]
        super().__init__(command, folder / "bridge.log")

    def accepts(self):
        return accepts(self.port)

    def start(self, wait=True):
        super().start()
        if not wait:
            return self
        wait_until(
            lambda: self.accepts() or not self.running(),
            60,
            lambda: f"the bridge listens:\n{self.text()[-3000:]}",
        )
        assert self.running(), f"the bridge ended:\n{self.text()[-3000:]}"
        return self

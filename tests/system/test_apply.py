"""A running agent takes over a configuration: checked first, state kept, taken back if it is not
healthy; and what the service manager is told meanwhile."""

import os
import json
import signal
import socket
import unittest

from weirtest import places
from weirtest.process import free_port, run, wait_until
from weirtest.publish import Listener, Publisher
from weirtest.suite import Suite
from weirtest.weir import Agent

START_MS = 1_767_225_600_000

SOURCE = """
    [[source]]
    name = "loops"
    topics = ["city/{site}/loop"]
    columns = { speed = "float" }
    time = { field = "ts", lateness = "0s", idle = "1h" }
    partition = "site"

    [[window]]
    name = "minute"
    from = "loops"
    by = ["site"]
    size = "1m"
    publish = "weir/{agent}/{window}/{site}"
    select = { n = "count()" }
"""
MORE = """
    [[window]]
    name = "hour"
    from = "loops"
    size = "1h"
    select = { n = "count()" }
"""


class ServiceManager:
    """The socket that systemd gives as NOTIFY_SOCKET."""

    def __init__(self, path):
        self.path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._socket.setblocking(False)
        self.said = []

    def words(self):
        while True:
            try:
                self.said += self._socket.recv(4096).decode().split("\n")
            except BlockingIOError:
                return self.said

    def close(self):
        self._socket.close()


class Apply(Suite):
    def setUp(self):
        super().setUp()
        self.broker = self.mosquitto()
        self.agent = self.local_agent(SOURCE, self.broker, agent='trial = "8s"\n')
        self.first = self.agent.config.read_text()
        self.publisher = Publisher(self.broker.port)
        self.addCleanup(self.publisher.close)
        self.listener = Listener(self.broker.port, "weir/gate-1/minute/#")
        self.addCleanup(self.listener.close)
        self.pid = self.agent.pid

    def send(self, *seconds):
        for second in seconds:
            self.publisher.publish("city/s1/loop", {"ts": START_MS + 1000 * second, "speed": 1})
        self.publisher.drain()

    def apply(self, text):
        file = self.folder / "next.toml"
        file.write_text(text)
        return run(places.WEIR, "apply", file)

    def answered(self):
        """What the agent says of its configuration."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.agent.folder / "run" / "control"))
            s.sendall(b"configuration\n")
            parts = iter(lambda: s.recv(4096), b"")
            return dict(line.split(" ", 1) for line in b"".join(parts).decode().splitlines())

    def windows(self):
        status = self.agent.status()
        return status and [window["name"] for window in status["windows"]]

    def runs_the_first(self):
        wait_until(lambda: self.windows() == ["minute"], 30, lambda: self.agent.text()[-3000:])
        self.assertEqual(self.agent.config.read_text(), self.first)
        self.assertEqual(self.agent.pid, self.pid)

    def one_window_of(self, count):
        wait_until(lambda: self.listener.messages, 30, lambda: self.agent.text()[-3000:])
        self.assertIn(f'"n":{count}', self.listener.messages[0][1])
        self.assertNotIn("partial", self.listener.messages[0][1])

    def test_a_good_one_is_taken_over_and_open_windows_go_on(self):
        self.send(1, 2, 3)
        code, out, err = self.apply(self.first + MORE)
        self.assertEqual(code, 0, out + err)
        for word in ("checked", "swapped", "on trial", "healthy"):
            self.assertIn(word, out)
        self.assertEqual(self.windows(), ["minute", "hour"])
        self.assertEqual(self.agent.pid, self.pid)
        previous = self.agent.config.with_name("weir.toml.previous")
        self.assertEqual(previous.read_text(), self.first)
        self.send(4, 61)
        self.one_window_of(4)
        code, out, err = self.apply(self.first + MORE)
        self.assertEqual((code, "runs this" in out), (0, True), out + err)

    def test_one_with_an_error_changes_nothing(self):
        code, out, err = self.apply(self.first.replace('size = "1m"', 'size = "1 parsec"'))
        self.assertEqual(code, 78, out + err)
        self.assertIn("next.toml:", err)
        self.runs_the_first()
        # The same by hand, through the agent's own file and SIGHUP.
        self.agent.config.write_text(self.first.replace('size = "1m"', 'size = "1 parsec"'))
        self.agent.send_signal(signal.SIGHUP)
        self.agent.wait_for("the configuration that runs goes on")
        self.assertEqual(self.answered()["reload"], "refused")
        self.agent.config.write_text(self.first)
        self.runs_the_first()

    def test_one_that_does_not_become_healthy_is_taken_back(self):
        self.send(1, 2, 3)
        wrong = self.first.replace(self.broker.url, f"mqtt://127.0.0.1:{free_port()}")
        code, out, err = self.apply(wrong + MORE)
        self.assertEqual(code, 1, out + err)
        self.assertIn("no connection to an MQTT broker", out)
        self.assertIn("taken back: no connection to an MQTT broker", err)
        self.runs_the_first()
        self.agent.ready()
        self.send(4, 61)
        self.one_window_of(4)

    def test_a_file_that_was_taken_back_is_not_run_until_it_is_edited(self):
        wrong = self.first.replace(self.broker.url, f"mqtt://127.0.0.1:{free_port()}")
        self.agent.config.write_text(wrong)
        self.agent.send_signal(signal.SIGHUP)
        self.agent.wait_for("was taken back: no connection to an MQTT broker")
        self.agent.ready()
        self.assertEqual(self.answered()["trial"], "refused")
        self.agent.kill()
        self.agent.start()
        self.agent.ready()  # with the configuration before
        self.agent.config.write_text(self.first + MORE)
        self.agent.send_signal(signal.SIGHUP)
        wait_until(lambda: self.windows() == ["minute", "hour"], 30, lambda: self.agent.text()[-3000:])
        wait_until(lambda: self.answered()["trial"] == "none", 30, "it is healthy")

    def test_one_that_ends_the_agent_on_trial_is_taken_back(self):
        wrong = self.first.replace(self.broker.url, f"mqtt://127.0.0.1:{free_port()}")
        self.agent.config.write_text(wrong.replace('trial = "8s"', 'trial = "5m"'))
        self.agent.send_signal(signal.SIGHUP)
        for _ in range(2):
            wait_until(lambda: self.trial() == "open", 30, lambda: self.agent.text()[-3000:])
            self.agent.kill()
            self.agent.start()
        self.agent.wait_for("it ended 2 times while it was on trial")
        self.agent.ready()

    def trial(self):
        try:
            return self.answered()["trial"]
        except OSError:
            return None

    def test_tables_are_read_again_without_a_restart(self):
        self.agent.send_signal(signal.SIGHUP)
        self.agent.wait_for("says what runs already")
        self.assertEqual(self.agent.text().count("is running"), 1)


class Systemd(Suite):
    def test_it_hears_ready_alive_reloading_and_stopping(self):
        manager = ServiceManager(self.folder / "notify")
        self.addCleanup(manager.close)
        broker = self.mosquitto()
        agent = Agent(self.folder / "agent", SOURCE, broker=broker)
        agent.env.update(NOTIFY_SOCKET=manager.path, WATCHDOG_USEC="2000000")
        self.begin(agent).ready()
        wait_until(lambda: manager.words().count("WATCHDOG=1") >= 3, 30, "it says that it lives")
        self.assertEqual(manager.said[0], "READY=1")
        agent.config.write_text(agent.config.read_text() + MORE)
        agent.send_signal(signal.SIGHUP)
        wait_until(lambda: manager.words().count("READY=1") == 2, 30, "it is ready again")
        self.assertIn("RELOADING=1", manager.said)
        agent.send_signal(signal.SIGTERM)
        self.assertEqual(agent.wait(), 0)
        self.assertEqual(manager.words()[-1], "STOPPING=1")

    def test_logs_come_in_the_form_that_is_asked_for(self):
        broker = self.mosquitto()
        agent = self.local_agent(SOURCE, broker, agent='log = { format = "json" }\n')
        lines = [json.loads(line) for line in agent.text().splitlines()]
        self.assertTrue(any("is running" in line["message"] for line in lines), lines)
        self.assertEqual({"time", "level", "component", "message"}, set(lines[-1]))


if __name__ == "__main__":
    unittest.main()

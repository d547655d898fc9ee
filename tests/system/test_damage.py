"""A damaged database, and a full disk: said loudly, and the agent runs on."""

import os
import random
import subprocess
import time
import unittest

from weirtest.process import wait_until
from weirtest.publish import Listener, Load
from weirtest.suite import KafkaSuite
from weirtest.totals import wait_for_totals

ALERT = Load.SOURCE + """
        [[alert]]
        name = "seen"
        from = "seconds"
        when = "n > 0 && last < 1000000"
"""


class Database(KafkaSuite):
    """The bytes on flash change while the agent is down, with all results delivered."""

    def setUp(self):
        super().setUp()
        self.chain(Load.SOURCE)
        self.load, self.read = Load(self.broker.port, 400), self.reader()
        self.read.read_until(lambda results: len(results) > 16, 60, "the first results")
        self.load.pause()
        wait_until(self.delivered, 30, "everything is delivered")
        self.assertEqual(self.agent.stop(), 0)
        self.database = self.agent.state / "weir.db"
        self.assertTrue(self.database.exists())

    def delivered(self):
        outbox = self.agent.status()["outbox"]
        return outbox["staged_bytes"] == 0 and outbox["acknowledged"] == outbox["committed"]

    def go_on(self, *words):
        self.agent.start()
        self.agent.ready()
        text = self.agent.text().lower()
        self.assertTrue(any(word in text for word in words), self.agent.text())
        self.load.resume()
        time.sleep(3)

    def aside(self):
        return [
            path.name
            for path in self.agent.state.iterdir()
            if path.name.startswith("weir.db.") and path.suffix in (".damaged", ".newer")
        ]

    def counts(self):
        return {
            (r.value["key"]["site"], r.value["start"], r.headers["epoch"]): r.value["values"]["n"]
            for r in self.read.results
        }

    def test_rubbish_is_set_aside(self):
        self.database.write_bytes(random.Random(1).randbytes(self.database.stat().st_size))
        self.go_on("damaged", "aside")
        self.assertEqual(len(self.aside()), 1, os.listdir(self.agent.state))
        before = len(self.read.results)
        self.read.read_until(lambda results: len(results) > before + 16, 60, "new results")
        incarnations = {r.headers["incarnation"] for r in self.read.results}
        self.assertEqual(len(incarnations), 2, "new state is a new incarnation")

    def test_a_damaged_page_is_noticed(self):
        content = bytearray(self.database.read_bytes())
        for offset in range(0, len(content), 4096):
            content[offset + 100 : offset + 200] = os.urandom(100)
        self.database.write_bytes(content)
        self.go_on("damaged", "aside")
        before = len(self.read.results)
        self.read.read_until(lambda results: len(results) > before + 16, 60, "new results")

    def test_one_of_a_newer_version_is_set_aside_and_not_touched(self):
        import sqlite3

        with sqlite3.connect(self.database) as db:
            version = db.execute("PRAGMA user_version").fetchone()[0]
            db.execute(f"PRAGMA user_version = {version + 1000}")
        db.close()
        self.go_on("newer", "aside")
        self.assertEqual(
            [name.endswith(".newer") for name in self.aside()], [True], os.listdir(self.agent.state)
        )

    def test_an_empty_file_is_a_new_database(self):
        self.database.write_bytes(b"")
        self.agent.start()
        self.agent.ready()
        self.load.resume()
        before = len(self.read.results)
        self.read.read_until(lambda results: len(results) > before + 16, 60, "new results")


class DiskFull(KafkaSuite):
    """The state folder on a file system of its own, which fills up."""

    def setUp(self):
        super().setUp()
        state = self.folder / "agent" / "state"
        state.mkdir(parents=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=8m", "weir-test", state],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            self.skipTest(f"cannot mount a small file system: {done.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "--lazy", state], check=False)
        self.filler = state / "filler"

    def fill(self):
        with open(self.filler, "wb", buffering=0) as f:
            try:
                while True:
                    f.write(b"x" * 4096)
            except OSError:
                pass

    def test_windows_and_alerts_go_on_and_nothing_is_lost_that_memory_can_hold(self):
        self.chain(ALERT, agent='flush = "2s"\n', uplink='outbox = "4MiB"\n')
        alerts = Listener(self.broker.port, "weir/gate-1/alert/#")
        self.addCleanup(alerts.close)
        load, read = Load(self.broker.port, 200), self.reader()
        read.read_until(lambda results: results, 60, "the first results")
        self.fill()
        before = self.agent.status()
        time.sleep(6)
        after = self.agent.status()
        self.assertTrue(self.agent.running())
        self.assertGreater(
            after["windows"][0]["counters"]["emitted"],
            before["windows"][0]["counters"]["emitted"],
            "windows close",
        )
        self.assertGreater(
            after["outbox"]["medium_errors"], 0, "the disk is full for the agent, too"
        )
        self.assertEqual(
            len({topic for topic, *_ in alerts.messages}), Load.SITES, "alerts are raised"
        )
        self.filler.unlink()
        load_events = len(load.events)
        wait_for_totals(self, load, read)
        self.assertGreaterEqual(len(load.events), load_events)


if __name__ == "__main__":
    unittest.main()

"""Calls on files that fail once, a few times and for ever, or take long: in a start that has a state
to go on from, and under load. Nothing is given up, windows and alerts go on, totals are exact.

A run takes every call of a start and a sample under load; --long takes 200 of those, and syncs of 30 s.
"""

import errno
import os
import random
import time
import unittest

from weirtest import inject, places
from weirtest.inject import FOR_EVER, Injector
from weirtest.process import wait_until
from weirtest.publish import Listener, Load
from weirtest.suite import KafkaSuite
from weirtest.totals import wait_for_totals

SEED = int(os.environ.get("WEIR_SEED", "1"))
STARTS = int(os.environ.get("WEIR_FAULTS", "0")) or 100_000
UNDER_LOAD = int(os.environ.get("WEIR_FAULTS", "0")) or (200 if places.LONG else 15)
SLOW_SECONDS = 30 if places.LONG else 6

GIVEN_UP = ("begin anew", "set aside", "damaged", "was begun", "given up", "partial")

SOURCE = (
    Load.SOURCE.replace('partition = "site"', 'partition = "site"\n        enrich = ["sites"]')
    + """
        [[table]]
        name = "sites"
        file = "@FOLDER@/sites.csv"
        key = "site"
        columns = { limit = "int" }

        [[alert]]
        name = "seen"
        from = "seconds"
        when = "n > 0 && last < 1000000"
"""
)


class FailingFiles(KafkaSuite):
    RATE = 400

    def begin_with(self, agent):
        print(f"WEIR_SEED={SEED}", end=" ", flush=True)
        self.random = random.Random(SEED)
        self.table = self.folder / "sites.csv"
        self.write_table(8)
        self.chain(SOURCE.replace("@FOLDER@", str(self.folder)), agent=agent)
        self.assertEqual(self.agent.stop(), 0)
        self.inject = Injector(self.folder / "inject")
        self.addCleanup(self.inject.close)
        self.agent.env.update(self.inject.env())
        self.agent.start()
        self.agent.ready()
        self.load, self.read = Load(self.broker.port, self.RATE), self.reader()
        self.read.read_until(lambda results: results, 60, "the first results")

    def write_table(self, rows):
        self.table.write_text("site,limit\n" + "".join(f"s{i},{rows}\n" for i in range(rows)))

    def emitted(self):
        return self.agent.status()["windows"][0]["counters"]["emitted"]

    def windows_go_on(self, seconds=30):
        before = self.emitted()
        wait_until(lambda: self.emitted() > before, seconds, "windows go on")

    def each_call_of_a_start(self, agent):
        self.begin_with(agent)
        self.agent.kill()
        self.load.pause()
        self.inject.fail_files(self.agent.folder, inject.ALL, 0)
        self.agent.start()
        self.agent.wait_for("is running")
        calls, _ = self.inject.files()
        self.agent.kill()
        sample = sorted(self.random.sample(range(1, calls + 1), min(STARTS, calls)))
        ran = 0
        for first in sample:
            for count in (1, FOR_EVER):
                for error in (errno.EIO, errno.ENOSPC):
                    ran += self.starts_or_says_why(first, count, error)
        print(f"{len(sample)} of {calls} calls, {ran} starts came through", flush=True)
        self.assertLess(ran, 4 * len(sample), "some of them were needed")
        self.agent.start()
        self.agent.ready()
        self.load.resume()
        wait_for_totals(self, self.load, self.read)

    def starts_or_says_why(self, first, count, error):
        self.inject.fail_files(self.agent.folder, inject.ALL, first, count, error, short=first % 2)
        running, text = self.inject.start_under_fault(self.agent, f"call {first}")
        case = f"call {first}, {count} of them, {errno.errorcode[error]}:\n{text}"
        for words in GIVEN_UP:
            self.assertNotIn(words, text, case)
        if not running:
            self.assertIn(self.agent.wait(), (1, 78), case)
            self.assertRegex(text, "(weir: |error: )", case)
        return running

    def test_each_call_of_a_start(self):
        self.each_call_of_a_start('checkpoint = "1s"\nflush = "2s"\n')

    def test_each_call_of_a_start_with_the_journal_on_disk(self):
        self.each_call_of_a_start(
            'checkpoint = "1s"\nflush = "2s"\n'
            'journal = { size = "4MiB", on = "disk", sync = "1s" }\n'
        )

    def test_calls_under_load(self):
        self.begin_with(
            'checkpoint = "1s"\nflush = "2s"\n'
            'journal = { size = "4MiB", on = "disk", sync = "200ms" }\n'
        )
        alerts = Listener(self.broker.port, "weir/gate-1/alert/#")
        self.addCleanup(alerts.close)
        kinds = (
            inject.WRITE,
            inject.SYNC,
            inject.READ,  # once: what cannot be read at all is set aside, as it should
            inject.WRITE | inject.SYNC | inject.TRUNCATE,
            inject.OPEN | inject.WRITE,
            inject.ALL & ~inject.READ,
        )
        failed = 0
        for turn in range(UNDER_LOAD):
            path = self.random.choice((self.agent.state, "weir.db", "journal"))
            kind = kinds[turn % len(kinds)]
            self.inject.fail_files(
                path,
                kind,
                self.random.randrange(1, 12),
                1 if kind == inject.READ else self.random.choice((1, 4, FOR_EVER)),
                self.random.choice((errno.EIO, errno.ENOSPC)),
                short=self.random.random() < 0.3,
            )
            time.sleep(1)
            self.windows_go_on()
            failed += self.inject.files()[1]
            self.inject.heal()
            self.assertTrue(self.agent.running(), self.agent.text()[-3000:])
        print(f"{failed} calls failed in {UNDER_LOAD} turns", flush=True)
        self.assertGreater(failed, 0)
        status = self.agent.status()
        self.assertEqual(status["outbox"]["dropped_staging_results"], 0)
        self.assertNotIn("set aside", self.agent.text())
        self.assertEqual(len({topic for topic, *_ in alerts.messages}), Load.SITES)
        wait_for_totals(self, self.load, self.read)

    def test_syncs_that_take_long_hold_up_nothing_but_delivery(self):
        self.begin_with(
            'checkpoint = "1s"\nflush = "2s"\n'
            'journal = { size = "4MiB", on = "disk", sync = "200ms" }\n'
        )
        self.inject.fail_files(
            self.agent.state, inject.SYNC, 1, FOR_EVER, delay_ms=1000 * SLOW_SECONDS
        )
        wait_until(lambda: self.inject.files()[1] > 0, 30, "a sync is under way")
        messages = self.agent.status()["messages"]
        for _ in range(3):
            self.windows_go_on(SLOW_SECONDS)
        self.assertGreater(self.agent.status()["messages"], messages)
        self.inject.heal()
        wait_for_totals(self, self.load, self.read)

    def test_a_table_that_could_not_be_read_is_read_again(self):
        self.begin_with("")
        self.inject.fail_files(self.table, inject.READ, 1, FOR_EVER)
        self.write_table(5)
        bad = lambda: self.agent.status()["tables"][0]["bad_files"]
        wait_until(lambda: bad() > 0, 30, "the table cannot be read")
        self.assertEqual(self.agent.status()["tables"][0]["rows"], 8)
        self.inject.heal()
        wait_until(lambda: self.agent.status()["tables"][0]["rows"] == 5, 30, "it is read again")
        wait_for_totals(self, self.load, self.read)


if __name__ == "__main__":
    unittest.main()

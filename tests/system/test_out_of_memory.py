"""Allocations that fail once and for ever, at start-up and under load: exit codes, words, and in the
end every event in its window, once.

Each run takes a sample; --long takes every allocation of a start, and some hundreds under load.
"""

import os
import random
import time
import unittest

from weirtest import places
from weirtest.inject import FOR_EVER, Injector
from weirtest.process import wait_until
from weirtest.publish import Load
from weirtest.suite import KafkaSuite
from weirtest.totals import wait_for_totals

SEED = int(os.environ.get("WEIR_SEED", "7"))
STARTS = int(os.environ.get("WEIR_FAULTS", "0")) or (100_000 if places.LONG else 60)
UNDER_LOAD = int(os.environ.get("WEIR_FAULTS", "0")) or (300 if places.LONG else 20)

RECEIVE_THREAD = "weir: out of memory on the receive thread"
# What would mean that state was given up.
GIVEN_UP = ("begin anew", "set aside", "damaged", "was begun", "given up", "partial")


class OutOfMemory(KafkaSuite):
    RATE = 400

    def setUp(self):
        super().setUp()
        print(f"WEIR_SEED={SEED}", end=" ", flush=True)
        self.random = random.Random(SEED)
        self.chain(Load.SOURCE, agent='checkpoint = "1s"\nflush = "3s"\n')
        self.assertEqual(self.agent.stop(), 0)
        self.inject = Injector(self.folder / "inject")
        self.addCleanup(self.inject.close)
        self.agent.env.update(self.inject.env())

    def works(self):
        status = self.agent.status()
        return status and all(link["connected"] for link in status["mqtt"])

    def starts_or_says_why(self, first, count):
        """One start with the first-th allocation failing. Whatever it comes to, nothing is given
        up."""
        self.inject.fail_allocations(first, count)
        running, text = self.inject.start_under_fault(self.agent, f"allocation {first}")
        for words in GIVEN_UP:
            self.assertNotIn(words, text, f"allocation {first}, {count} of them")
        if not running and self.agent.wait() != -6:
            self.assertEqual(self.agent.wait(), 1, f"allocation {first}, {count} of them:\n{text}")
            self.assertRegex(text, "(?s)weir: .*memory.*(start again|starts|goes on)")
        elif not running:  # it had come as far as connecting
            self.assertIn(RECEIVE_THREAD, text, f"allocation {first}, {count} of them")
        return running

    def test_every_allocation_of_a_start(self):
        self.agent.start()
        self.agent.ready()
        load, read = Load(self.broker.port, self.RATE), self.reader()
        read.read_until(lambda results: results, 60, "the first results")
        self.agent.kill()
        self.inject.fail_allocations(0)
        self.agent.start()
        self.agent.wait_for("is running")
        allocations, _ = self.inject.allocations()
        self.agent.kill()
        load.pause()
        sample = sorted(
            self.random.sample(range(1, allocations + 1), min(STARTS, allocations))
        )
        ran = 0
        for first in sample:
            for count in (1, FOR_EVER):
                ran += self.starts_or_says_why(first, count)
        print(f"{len(sample)} of {allocations} allocations, {ran} starts came through", flush=True)
        self.assertLess(ran, 2 * len(sample), "some of them were needed")
        self.agent.start()
        self.agent.ready()
        load.resume()
        wait_for_totals(self, load, read)

    def test_allocations_under_load(self):
        threads = ("", "weir-engine", "weir-store", "weir-uplink", "weir", "MQTTAsync_send", "MQTTAsync_rcv")
        self.agent.start()
        self.agent.ready()
        load, read = Load(self.broker.port, self.RATE), self.reader()
        read.read_until(lambda results: results, 60, "the first results")
        failed = ended = 0
        for turn in range(UNDER_LOAD):
            thread = threads[turn % len(threads)]
            if thread == "weir-uplink":  # it allocates when it connects
                self.bridge.kill()
                self.bridge.start()
            count = self.random.choice((1, 5, FOR_EVER))
            self.inject.fail_allocations(self.random.randrange(1, 60 if thread else 3000), count, thread)
            time.sleep(1)
            _, hits = self.inject.allocations()
            if thread not in ("", "MQTTAsync_rcv"):
                self.assertTrue(self.agent.running(), f"{thread}, {count}:\n{self.agent.text()[-2000:]}")
            if thread not in ("", "MQTTAsync_rcv", "weir"):  # the last one answers `weir status`
                before = self.emitted()
                wait_until(
                    lambda before=before: self.emitted() > before,
                    30,
                    f"windows go on while {thread} has no memory",
                )
            self.inject.heal()
            failed += hits
            if not self.agent.running():
                ended += 1
                self.assertEqual(self.agent.wait(), -6, self.agent.text()[-2000:])
                self.assertIn(RECEIVE_THREAD, self.agent.text())
                self.agent.start()
            wait_until(self.works, 60, lambda: f"works again:\n{self.agent.text()[-3000:]}")
        print(f"{failed} allocations failed in {UNDER_LOAD} turns, {ended} ended the agent", flush=True)
        self.assertGreater(failed, 0)
        wait_for_totals(self, load, read)

    def emitted(self):
        return self.agent.status()["windows"][0]["counters"]["emitted"]


if __name__ == "__main__":
    unittest.main()

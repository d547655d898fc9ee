"""SIGKILL of the agent and of the bridge, 20 times each at random moments under load: nothing
lost, nothing twice."""

import os
import random
import time
import unittest

from weirtest.process import wait_until
from weirtest.publish import Load
from weirtest.suite import KafkaSuite
from weirtest.totals import wait_for_totals

KILLS = int(os.environ.get("WEIR_KILLS", "20"))
SEED = int(os.environ.get("WEIR_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 30)


class Kills(KafkaSuite):
    RATE = 800

    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        print(f"WEIR_SEED={SEED}", end=" ", flush=True)

    def kill_and_start(self, process, up):
        """up() says that the process works again; the next kill comes a random moment after its
        start or after that."""
        process.kill()
        process.start()
        if self.random.random() < 0.7:
            wait_until(up, 30, lambda: f"works again:\n{process.text()[-3000:]}")
        time.sleep(self.random.uniform(0, 0.8))

    def run_kills(self, process, up):
        load, read = Load(self.broker.port, self.RATE), self.reader()
        read.read_until(lambda results: results, 60, "the first results")
        for _ in range(KILLS):
            self.kill_and_start(process, up)
        self.assertEqual(process.starts, KILLS + 1)
        wait_for_totals(self, load, read)

    def agent_works(self):
        status = self.agent.status()
        return status and all(link["connected"] for link in status["mqtt"])

    def bridge_works(self):
        return self.bridge.accepts()

    def test_the_agent(self):
        self.chain(Load.SOURCE, agent='checkpoint = "1s"\nflush = "3s"\n')
        self.run_kills(self.agent, self.agent_works)

    def test_the_agent_with_its_journal_on_disk(self):
        self.chain(
            Load.SOURCE,
            agent='checkpoint = "1s"\nflush = "3s"\n'
            'journal = { size = "4MiB", on = "disk", sync = "1s" }\n',
        )
        self.run_kills(self.agent, self.agent_works)

    def test_the_bridge(self):
        self.chain(Load.SOURCE)
        self.run_kills(self.bridge, self.bridge_works)


if __name__ == "__main__":
    unittest.main()

"""Several lanes in one agent: the same results, and SIGKILL under load loses and repeats nothing."""

import json
import os
import random
import time
import unittest

from weirtest.process import wait_until
from weirtest.publish import Load
from weirtest.suite import KafkaSuite, Suite
from weirtest.totals import wait_for_totals
from weirtest.weir import Agent

KILLS = int(os.environ.get("WEIR_KILLS", "8"))
SEED = int(os.environ.get("WEIR_SEED", "1"))


class SplitLoad(Load):
    """The same events on two topic filters, which two lanes share."""

    def topic(self, site):
        return f"{('north', 'south')[int(site[1:]) % 2]}/{site}/events"

    # first() and last() would keep the source whole; the numbers rise.
    SOURCE = """
        [[source]]
        name = "events"
        topics = ["north/{site}/events", "south/{site}/events"]
        columns = { i = "int" }
        time = { field = "ts", unit = "ms", lateness = "1s", idle = "1h" }

        [[window]]
        name = "seconds"
        from = "events"
        where = "i >= 0"
        by = ["site"]
        size = "1s"
        select = { n = "count()", total = "sum(i)", first = "min(i)", last = "max(i)" }
    """


class Lanes(KafkaSuite):
    RATE = 800

    def lanes_work(self):
        status = self.agent.status()
        return (
            status
            and len(status["mqtt"]) == 2
            and all(link["connected"] for link in status["mqtt"])
        )

    def test_kills(self):
        print(f"WEIR_SEED={SEED}", end=" ", flush=True)
        rng = random.Random(SEED)
        self.chain(SplitLoad.SOURCE, agent='memory = "64MiB"\nlanes = 2\ncheckpoint = "1s"\nflush = "3s"\n')
        wait_until(lambda: self.broker.subscribed("weir-gate-1-lane1"), 20, "lane 1 subscribes")
        load, read = SplitLoad(self.broker.port, self.RATE), self.reader()
        read.read_until(lambda results: results, 60, "the first results")
        for _ in range(KILLS):
            self.agent.kill()
            self.agent.start()
            if rng.random() < 0.7:
                wait_until(self.lanes_work, 30, lambda: f"works:\n{self.agent.text()[-3000:]}")
            time.sleep(rng.uniform(0, 0.8))
        wait_for_totals(self, load, read)
        status = self.agent.status()
        self.assertTrue(status["accounting"]["sum_ok"])
        self.assertTrue(all(lane["messages"] > 0 for lane in status["lanes"]), status["lanes"])


class SameRecords(Suite):
    """Agents of one, two and three lanes hear the same events and print the same records."""

    def test_records(self):
        broker = self.mosquitto()
        agents = {}
        for lanes in (1, 2, 3):
            agents[lanes] = self.begin(
                Agent(
                    self.folder / f"agent{lanes}",
                    SplitLoad.SOURCE,
                    broker=broker,
                    name=f"gate-{lanes}",
                    agent=f'memory = "64MiB"\nlanes = {lanes}\n',
                    arguments=["--print"],
                )
            ).ready()
        for client in ("weir-gate-2-lane1", "weir-gate-3-lane1"):
            wait_until(lambda c=client: broker.subscribed(c), 20, f"{client} subscribes")
        load = SplitLoad(broker.port, 400)
        time.sleep(4)
        load.close()
        expected = len(load.expected())
        records = {}
        for lanes, agent in agents.items():
            wait_until(
                lambda a=agent: len(self.records(a)) >= expected, 30, f"{expected} of {lanes} lanes"
            )
            agent.stop()
            records[lanes] = self.records(agent)
        self.assertEqual(len(records[1]), expected)
        self.assertEqual(records[1], records[2])
        self.assertEqual(records[1], records[3])

    @staticmethod
    def records(agent):
        out = []
        for line in agent.text().splitlines():
            if not line.startswith("{"):
                continue
            record = json.loads(line)
            for key in ("sequence", "epoch"):
                record.pop(key, None)
            out.append(json.dumps(record, sort_keys=True))
        return sorted(out)


if __name__ == "__main__":
    unittest.main()

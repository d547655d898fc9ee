"""The number of distinct keys does not show in the size of the process."""

import json
import unittest

from weirtest import places
from weirtest.process import run, wait_until
from weirtest.publish import Publisher
from weirtest.suite import Suite
from weirtest.weir import Agent

EVENTS = 1_000_000
EVENTS_A_MESSAGE = 500
START_MS = 1_767_225_600_000

BODY = """
    [[source]]
    name = "vehicles"
    topics = ["vehicles"]
    columns = { vid = "string", speed = "float" }
    time = { field = "ts", lateness = "1s", idle = "1h" }

    [[window]]
    name = "by_vehicle"
    from = "vehicles"
    by = ["vid"]
    size = "10s"
    max_groups = 128
    select = { n = "count()", mean = "mean(speed)", p85 = "quantile(speed, 0.85)" }

    [[window]]
    name = "all"
    from = "vehicles"
    size = "10s"
    max_groups = 1
    select = { n = "count()", unique = "distinct(vid)", top = "top(vid, 10)" }
"""


class Memory(Suite):
    def resident(self, keys):
        """Bytes after EVENTS events of so many distinct keys, and what the agent counted."""
        folder = self.folder / str(keys)
        agent = self.begin(
            Agent(folder, BODY, broker=self.broker, name=f"m{keys}", arguments=["--print"])
        ).ready()
        publisher = Publisher(self.broker.port)
        for first in range(0, EVENTS, EVENTS_A_MESSAGE):
            publisher.publish(
                "vehicles",
                json.dumps(
                    [
                        {
                            "ts": START_MS + i // 50,
                            "vid": f"vehicle-{i % keys:07d}",
                            "speed": i % 97,
                        }
                        for i in range(first, first + EVENTS_A_MESSAGE)
                    ]
                ),
            )
        publisher.drain()
        publisher.close()
        wait_until(
            lambda: self.decoded(agent) == EVENTS, 120, lambda: f"{self.decoded(agent)} decoded"
        )
        resident = agent.memory("VmRSS")
        self.agent_budget(agent)
        agent.stop()
        return resident

    def decoded(self, agent):
        return sum(source["events"] for source in agent.status()["sources"])

    def agent_budget(self, agent):
        """Private writable memory stays within what the plan declares."""
        code, out, err = run(places.WEIR, "plan", agent.config, "--json")
        self.assertEqual(code, 0, err)
        self.assertLessEqual(agent.memory("VmData"), json.loads(out)["budget_bytes"])

    def test_a_thousand_and_a_million_keys_take_the_same(self):
        self.broker = self.mosquitto()
        few, many = self.resident(1_000), self.resident(1_000_000)
        print(
            f"{few / 1024:.0f} KiB with 1,000 keys, {many / 1024:.0f} KiB with 1,000,000", end=" "
        )
        self.assertLessEqual(abs(few - many), 0.01 * few)


if __name__ == "__main__":
    unittest.main()

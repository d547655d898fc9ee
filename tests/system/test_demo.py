"""`board/demo`: the first thing that anybody runs."""

import os
import re
import signal
import subprocess
import time
import unittest

from weirtest import places
from weirtest.process import run, wait_until
from weirtest.suite import KafkaSuite

DEMO = places.REPOSITORY / "board" / "demo"


def children_of_demos():
    """Command lines of processes whose temporary folder is a demonstration's."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if "/weir-demo-" in os.readlink(f"/proc/{pid}/cwd"):
                with open(f"/proc/{pid}/cmdline") as f:
                    found.append(f.read().replace("\0", " "))
        except OSError:
            continue
    return found


class Demo(KafkaSuite):
    def environment(self):
        # What a killed demonstration leaves on disk goes with the test's folder.
        return {"WEIR_BIN": str(places.BIN), "TMPDIR": str(self.folder)}

    def demo(self, *arguments, seconds=180):
        return run(DEMO, *arguments, env=self.environment(), seconds=seconds)

    def check_equal(self, code, out, err):
        self.assertEqual(code, 0, out + err)
        published, counted = re.search(
            r"published ([\d,]+), counted in results ([\d,]*\d)", out
        ).groups()
        self.assertEqual(published, counted)
        self.assertGreater(int(published.replace(",", "")), 100)
        self.assertIn(" equal", out)

    def test_every_published_event_is_counted_once(self):
        self.check_equal(*self.demo("--seconds", "20"))
        self.assertEqual(children_of_demos(), [])

    def test_air_quality_into_a_real_kafka(self):
        self.check_equal(
            *self.demo(
                "--profile", "air", "--rate", "40", "--seconds", "10", "--kafka", self.kafka.address
            )
        )

    def test_a_real_broker(self):
        broker = self.mosquitto()
        self.check_equal(*self.demo("--seconds", "8", "--broker", broker.url))

    def test_however_it_ends_nothing_stays_behind(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)):
            child = subprocess.Popen(
                [DEMO, "--seconds", "600"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **self.environment()},
            )
            wait_until(
                lambda: any("simulate" in line for line in children_of_demos()), 60, "it runs"
            )
            time.sleep(1)
            child.send_signal(number)
            self.assertEqual(child.wait(60), code)
            wait_until(
                lambda: not children_of_demos(), 20, lambda: f"left behind: {children_of_demos()}"
            )


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""What the page costs while nothing happens: CPU of an idle agent without [page], with it, scraped, and watched.

    tests/bench/page.py [--seconds 30] [--json]

An agent with 4 sources and 8 windows behind a mosquitto that sends nothing. "Scraped" is /metrics once a second, which is
fifteen times what Prometheus asks for by default; "watched" is one page open (server-sent events, once a second). CPU is
user and system time of all threads of the agent, by /proc, in per cent of one core. Ends with 1 if the page and its metrics
cost 1 % or more beyond the agent without them.
"""

import argparse
import http.client
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "system"))
from weirtest.process import free_port
from weirtest.servers import Mosquitto
from weirtest.weir import Agent

LIMIT = 1.0  # per cent


def body(port):
    parts = []
    for s in range(4):
        parts.append(
            f'[[source]]\nname = "s{s}"\ntopics = ["city/{{site}}/kind{s}"]\ncolumns = {{ x = "float" }}\npartition = "site"\n'
        )
        for w in range(2):
            parts.append(f'[[window]]\nname = "w{s}{w}"\nfrom = "s{s}"\nby = ["site"]\nsize = "{10 + 50 * w}s"\n'
                         'max_groups = 64\nselect = { n = "count()", mean = "mean(x)" }\n')  # fmt: skip
    if port:
        parts.append(f'[page]\nlisten = "127.0.0.1:{port}"\n')
    return "\n".join(parts)



def nanoseconds(pid):
    """Of all threads, as the scheduler counts: finer than clock ticks."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir())


def measure(folder, broker, name, seconds):
    port = free_port() if name != "without" else None
    agent = Agent(folder / name, body(port), broker=broker, name=f"bench-{name}", agent='memory = "64MiB"').start()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20) if port else None
    try:
        agent.ready()
        time.sleep(2)
        stream = None
        if name == "watched":
            connection.request("GET", "/api/v1/events")
            stream = connection.getresponse()
        before, began = nanoseconds(agent.pid), time.monotonic()
        while time.monotonic() - began < seconds:
            if name == "scraped":
                connection.request("GET", "/metrics")
                connection.getresponse().read()
            elif stream:
                while not stream.readline().startswith(b"data: "):
                    pass
                continue
            time.sleep(1)
        return (nanoseconds(agent.pid) - before) / 1e9 / (time.monotonic() - began) * 100
    finally:
        if connection:
            connection.close()
        agent.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30, help="of each")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        broker = Mosquitto(Path(folder) / "mosquitto").start()
        try:
            for name in ("without", "idle", "scraped", "watched"):
                figures[name] = measure(Path(folder), broker, name, options.seconds)
        finally:
            broker.kill()
    words = {
        "without": "an idle agent without [page]", "idle": "with [page], nobody asks", "scraped": "with /metrics asked for each second",
        "watched": "with one page open",
    }  # fmt: skip
    for name, share in figures.items():
        more = share - figures["without"]
        if options.json:
            print(json.dumps({"stage": "page", "case": name, "cpu_percent": round(share, 4), "more_percent": round(more, 4)}))
        else:
            print(f"{words[name]:38} {share:7.3f} % of a core" + (f", {more:+.3f} % for the page" if name != "without" else ""))
    good = all(figures[name] - figures["without"] < LIMIT for name in ("idle", "scraped"))
    if not options.json:
        print(f"goal: less than {LIMIT:g} % while idle, page and metrics: {'met' if good else 'MISSED'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

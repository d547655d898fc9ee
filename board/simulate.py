#!/usr/bin/python3
"""A city for demonstrations and tests: publishes made-up traffic or air quality over MQTT, QoS 1.

The same seed and --start give the same events, number by number; without --start the first event
happens now. Counts what was published and what the broker acknowledged.
Needs python3-paho-mqtt.
"""

import argparse
import collections
import json
import math
import random
import signal
import sys
import threading
import time
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt

DAY_MS = 86_400_000
ROUTES = [f"{a}-{b}" for a in ("A1", "A2", "C4", "N7") for b in ("B7", "B9", "D2")]
KINDS = (
    ("car", 0.78, 4.3, 0.5),
    ("van", 0.1, 5.6, 0.6),  # share, length and its spread in m
    ("truck", 0.08, 11.5, 3.0),
    ("bus", 0.04, 12.0, 1.0),
)
WINDOW_MESSAGES = 400  # under way at once


def rush(ts_ms):
    """0 at night to 1 at 08:00 and 17:30 UTC."""
    hour = ts_ms % DAY_MS / 3_600_000
    return max(math.exp(-(((hour - peak) / 1.6) ** 2)) for peak in (8.0, 17.5))


class Traffic:
    """Vehicles that cross induction loops: city/SITE/loop/LANE."""

    def __init__(self, rng, places):
        self._rng = rng
        self._sites = [f"s{n:03d}" for n in range(1, places + 1)]
        self._limit = {site: rng.choice((50.0, 70.0, 100.0)) for site in self._sites}
        # Vehicles come back: an id seen at one site is likely to be seen at the next.
        self._recent = collections.deque(maxlen=500)

    def event(self, ts_ms):
        rng = self._rng
        site, lane = rng.choice(self._sites), rng.randint(1, 3)
        kind, _, length, spread = rng.choices(KINDS, [k[1] for k in KINDS])[0]
        if self._recent and rng.random() < 0.35:
            vid = rng.choice(self._recent)
        else:
            vid = f"{rng.getrandbits(40):010x}"
        self._recent.append(vid)
        slow = 1 - 0.6 * rush(ts_ms) * (1 if lane == 1 else 0.8)
        speed = max(1.0, rng.gauss(self._limit[site] * slow, 7.0) - (8 if kind == "truck" else 0))
        # Few routes carry most vehicles.
        route = ROUTES[min(int(rng.expovariate(0.45)), len(ROUTES) - 1)]
        return f"city/{site}/loop/{lane}", {
            "ts": ts_ms,
            "vid": vid,
            "speed": round(speed, 1),
            "length": round(max(2.0, rng.gauss(length, spread)), 1),
            "kind": kind,
            "route": route,
        }


class Air:
    """Stations that report together what they measure: air/STATION."""

    def __init__(self, rng, places):
        self._rng = rng
        self._stations = [f"a{n:02d}" for n in range(1, places + 1)]
        self._base = {station: rng.uniform(6, 16) for station in self._stations}
        self._next = 0

    def event(self, ts_ms):
        rng = self._rng
        station = self._stations[self._next % len(self._stations)]
        self._next += 1
        sun = max(0.0, math.sin((ts_ms % DAY_MS / DAY_MS - 0.25) * 2 * math.pi))
        # The station's own level walks slowly, traffic adds to it, a gust or a bonfire now and
        # then.
        self._base[station] = min(40.0, max(3.0, self._base[station] + rng.gauss(0, 0.15)))
        pm25 = self._base[station] + 14 * rush(ts_ms) + rng.gauss(0, 1)
        if rng.random() < 0.01:
            pm25 += rng.expovariate(1 / 30)
        pm25 = max(0.5, pm25)
        return f"air/{station}", {
            "ts": ts_ms,
            "pm25": round(pm25, 1),
            "pm10": round(pm25 * rng.uniform(1.4, 1.9), 1),
            "no2": round(max(1.0, 18 + 40 * rush(ts_ms) + rng.gauss(0, 4)), 1),
            "o3": round(max(1.0, 30 + 60 * sun + rng.gauss(0, 5)), 1),
            "temp": round(11 + 8 * sun + rng.gauss(0, 0.2), 2),
            "rh": round(75 - 25 * sun + rng.gauss(0, 1), 1),
        }


PROFILES = {"traffic": (Traffic, 4, 200.0), "air": (Air, 6, 20.0)}  # class, places, events a second


def events(profile, seed, rate, start_ms, places=None):
    """(topic, event) without end; each is 0 to 1.5 s old, so that they are a little out of
    order."""
    make, usual, _ = PROFILES[profile]
    rng = random.Random(seed)
    city = make(rng, places or usual)
    number = 0
    while True:
        delay = min(rng.expovariate(1 / 150), 1500)
        yield city.event(start_ms + int(number * 1000 / rate - delay))
        number += 1


class Connection:
    """Publishes at QoS 1 and counts acknowledgements."""

    def __init__(self, url):
        parts = urlsplit(url if "://" in url else "mqtt://" + url)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise ValueError(f"not a broker's URL: {url} (mqtt://HOST:PORT)")
        version = [mqtt.CallbackAPIVersion.VERSION1] if hasattr(mqtt, "CallbackAPIVersion") else []
        self.published = self.acknowledged = 0
        self._room = threading.Semaphore(WINDOW_MESSAGES)
        self._client = mqtt.Client(*version)
        self._client.max_inflight_messages_set(WINDOW_MESSAGES)
        if parts.scheme == "mqtts":
            self._client.tls_set()
        if parts.username:
            self._client.username_pw_set(parts.username, parts.password)
        self._client.on_publish = self._acknowledge
        usual_port = 8883 if parts.scheme == "mqtts" else 1883
        self._client.connect(parts.hostname, parts.port or usual_port)
        self._client.loop_start()

    def _acknowledge(self, client, data, number):
        self.acknowledged += 1
        self._room.release()

    def publish(self, topic, event):
        self._room.acquire()
        self.published += 1
        self._client.publish(topic, json.dumps(event, separators=(",", ":")), 1)

    def close(self, seconds=20):
        deadline = time.monotonic() + seconds
        while self.acknowledged < self.published and time.monotonic() < deadline:
            time.sleep(0.02)
        self._client.disconnect()
        self._client.loop_stop()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--broker",
        default="mqtt://localhost",
        metavar="URL",
        help="mqtt://HOST:PORT (default %(default)s)",
    )
    parser.add_argument("--profile", choices=PROFILES, default="traffic")
    parser.add_argument("--rate", type=float, help="events a second (default 200, air 20)")
    parser.add_argument("--places", type=int, help="sites or stations (default 4, air 6)")
    parser.add_argument("--seconds", type=float, help="end after so long (default: at Ctrl-C)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--start", type=int, metavar="MS", help="time of the first event (default: now)"
    )
    parser.add_argument(
        "--events",
        type=int,
        metavar="N",
        help="print N events as TOPIC<TAB>JSON lines instead, as `weir replay` takes them",
    )
    parser.add_argument(
        "--report", action="store_true", help="a line of JSON with the counts every half second"
    )
    options = parser.parse_args()
    options.rate = options.rate or PROFILES[options.profile][2]
    return options


def main():
    options = arguments()
    start_ms = options.start if options.start is not None else int(time.time() * 1000)
    stream = events(options.profile, options.seed, options.rate, start_ms, options.places)
    if options.events is not None:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` is no failure
        for _ in range(options.events):
            topic, event = next(stream)
            print(topic, json.dumps(event, separators=(",", ":")), sep="\t")
        return 0
    try:
        connection = Connection(options.broker)
    except (OSError, ValueError) as problem:
        print(f"simulate: {options.broker}: {problem}", file=sys.stderr)
        return 1
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())

    def report(final=False):
        print(
            json.dumps(
                {
                    "published": connection.published,
                    "acknowledged": connection.acknowledged,
                    "final": final,
                }
            ),
            flush=True,
        )

    begin = reported = time.monotonic()
    while not ended.is_set():
        now = time.monotonic()
        if options.seconds is not None and now - begin >= options.seconds:
            break
        if options.report and now - reported >= 0.5:
            reported = now
            report()
        # Publish what is due; times are the schedule's, so that a pause of the machine delays
        # events but
        # leaves their order and contents as they are.
        while (
            not ended.is_set() and connection.published <= (time.monotonic() - begin) * options.rate
        ):
            connection.publish(*next(stream))
        ended.wait(min(0.02, 1 / options.rate))
    # Told to end, it gives the broker less time for its last acknowledgements: it may be ending as well.
    connection.close(8 if ended.is_set() else 20)
    report(final=True)
    return 0 if connection.acknowledged == connection.published else 1


if __name__ == "__main__":
    sys.exit(main())

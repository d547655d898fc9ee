"""Real sensors through the whole chain, compared with the same windows computed in plain Python.

Three induction loops and a travel-time segment of the Minnesota Department of Transportation,
and the temperature of a machine until it failed: mosquitto, QoS 1 -> weir -> TLS -> weir-bridge
-> Apache Kafka.
"""

import base64
import csv
import datetime
import math
import unittest

import datasketches

from weirtest import places, reference
from weirtest.kafka_reader import check_once
from weirtest.publish import Publisher
from weirtest.suite import KafkaSuite

TRAFFIC = {
    "realTraffic/speed_7578.csv": ("7578", "speed"),
    "realTraffic/speed_t4013.csv": ("t4013", "speed"),
    "realTraffic/occupancy_t4013.csv": ("t4013", "occupancy"),
    "realTraffic/TravelTime_387.csv": ("387", "traveltime"),
}
MACHINE = "realKnownCause/machine_temperature_system_failure.csv"
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
KLL_RANK_ERROR = 0.0133  # of a KLL of k = 200, one quantile, at 99 %

BODY = """
    [[source]]
    name = "loops"
    topics = ["mndot/{sensor}/{quantity}"]
    columns = { value = "float", text = "string", row = "int" }
    time = { field = "ts", unit = "ms", lateness = "30m", idle = "1h" }
    partition = "sensor"

    [[source]]
    name = "machine"
    topics = ["plant/{machine}/temperature"]
    columns = { value = { path = "/reading/celsius", type = "float" }, row = "int" }
    time = { field = "at", lateness = "10m", idle = "1h" }

    [[window]]
    name = "hourly"
    from = "loops"
    where = "row >= 0"
    by = ["sensor", "quantity"]
    size = "1h"
    max_groups = 8
    select.n = "count()"
    select.total = "sum(value)"
    select.mean = "mean(value)"
    select.low = "min(value)"
    select.high = "max(value)"
    select.first = "first(value)"
    select.last = "last(value)"
    select.rows = "sum(row)"
    select.row_high = "max(row)"
    select.fast = "count(value > 60.0)"

    [[window]]
    name = "daily"
    from = "loops"
    where = "row >= 0"
    by = ["sensor", "quantity"]
    size = "1d"
    max_groups = 8
    select.n = "count()"
    select.spread = "stddev(value)"
    select.median = "quantile(value, 0.5)"
    select.p95 = "quantile(value, 0.95)"
    select.readings = "distinct(text)"
    select.common = "top(text, 5)"

    [[window]]
    name = "ten_days"
    from = "loops"
    where = "row >= 0"
    size = "10d"
    max_groups = 4
    select.n = "count()"
    select.p85 = "quantile(value, 0.85)"
    select.readings = "distinct(text)"
    select.common = "top(text, 10)"

    [[window]]
    name = "temperature"
    from = "machine"
    where = "row >= 0"
    by = ["machine"]
    size = "1d"
    max_groups = 8
    select.n = "count()"
    select.total = "sum(value)"
    select.mean = "mean(value)"
    select.low = "min(value)"
    select.high = "max(value)"
    select.median = "quantile(value, 0.5)"
    select.hot = "count(value > 100.0) / count()"
"""


def rows(path):
    with open(path, newline="") as f:
        for number, row in enumerate(csv.DictReader(f)):
            at = datetime.datetime.fromisoformat(row["timestamp"]).replace(
                tzinfo=datetime.timezone.utc
            )
            yield {
                "ts": int(at.timestamp() * 1000),
                "value": float(row["value"]),
                "text": row["value"],
                "row": number,
            }


def traffic_events():
    """All four series in order of time, as the sensors would have sent them."""
    events = []
    for name, (sensor, quantity) in TRAFFIC.items():
        events += [
            {**row, "sensor": sensor, "quantity": quantity} for row in rows(places.series(name))
        ]
    return sorted(events, key=lambda event: event["ts"])


def iso(ms):
    at = datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def sketch(value):
    return base64.b64decode(value["sketch"])


class RealInput(KafkaSuite):
    """One run; each test looks at what it left in Kafka."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.traffic = traffic_events()
        cls.machine = [{**row, "machine": "m1"} for row in rows(places.series(MACHINE))]
        cls.results = None

    def setUp(self):
        super().setUp()
        if self.results is None:
            type(self).results = []  # the run is made once, whatever comes of it
            type(self).results = self.run_once()
        self.assertTrue(self.results, "the run failed: see the first test")

    def run_once(self):
        self.chain(BODY)
        publisher = Publisher(self.broker.port)
        for event in self.traffic:
            publisher.publish(
                f"mndot/{event['sensor']}/{event['quantity']}",
                {name: event[name] for name in ("ts", "value", "text", "row")},
            )
        # The machine's readings come as its logger would send them after an outage: several in a
        # message.
        for at in range(0, len(self.machine), 50):
            publisher.publish(
                "plant/m1/temperature",
                [
                    {
                        "at": iso(event["ts"]),
                        "reading": {"celsius": event["value"]},
                        "row": event["row"],
                    }
                    for event in self.machine[at : at + 50]
                ],
            )
        far = max(self.traffic[-1]["ts"], self.machine[-1]["ts"]) + 100 * DAY_MS
        for sensor in {event["sensor"] for event in self.traffic}:
            publisher.publish(f"mndot/{sensor}/close", {"ts": far, "row": -1})
        publisher.publish("plant/m1/temperature", {"at": iso(far), "row": -1})
        publisher.drain()
        publisher.close()
        wanted = sum(
            len(self.windows(name)) for name in ("hourly", "daily", "ten_days", "temperature")
        )
        reader = self.reader()
        reader.read_until(lambda results: len(results) >= wanted, 60, f"{wanted} results")
        reader.read_to_end()
        return reader.results

    @classmethod
    def windows(cls, name):
        """The expected windows of a name: {(key, start): events}."""
        pair = lambda event: (event["sensor"], event["quantity"])
        sensor = lambda event: event["sensor"]
        if name == "hourly":
            windows, late = reference.tumble(cls.traffic, HOUR_MS, pair, 1_800_000, sensor)
        elif name == "daily":
            windows, late = reference.tumble(cls.traffic, DAY_MS, pair, 1_800_000, sensor)
        elif name == "ten_days":
            windows, late = reference.tumble(
                cls.traffic, 10 * DAY_MS, lambda event: (), 1_800_000, sensor
            )
        else:
            windows, late = reference.tumble(cls.machine, DAY_MS, lambda event: ("m1",), 600_000)
        assert (
            late == 0
        ), f"{late} events of {name} would be late; the test wants all of them counted"
        return windows

    def each(self, name):
        """(events, values) of each expected window; none missing, none twice, none made up."""
        found = {}
        for result in self.results:
            if result.value["window"] == name:
                key = (tuple(result.value["key"].values()), result.value["start"])
                self.assertNotIn(key, found, "twice")
                found[key] = result.value
        expected = self.windows(name)
        self.assertEqual(found.keys(), expected.keys())
        for key, events in expected.items():
            with self.subTest(window=name, key=key):
                yield events, found[key]["values"]

    def check_sum(self, numbers, value):
        self.assertLessEqual(abs(value - math.fsum(numbers)), reference.sum_bound(numbers))

    def check_mean(self, numbers, value):
        # The bound of the sum, and the rounding of one division.
        true = math.fsum(numbers) / len(numbers)
        bound = reference.sum_bound(numbers) / len(numbers) + 2 * reference.UNIT_ROUNDOFF * abs(
            true
        )
        self.assertLessEqual(abs(value - true), bound)

    def check_quantile(self, numbers, rank, value):
        low, high = reference.rank_interval(numbers, value["estimate"])
        self.assertLessEqual(low - KLL_RANK_ERROR, rank)
        self.assertGreaterEqual(high + KLL_RANK_ERROR, rank)
        self.assertLessEqual(value["lower"], value["estimate"])
        self.assertGreaterEqual(value["upper"], value["estimate"])
        return value["lower"] <= reference.quantile(numbers, rank) <= value["upper"]

    def test_no_result_and_no_ship_number_is_there_twice(self):
        check_once(self, self.results)

    def test_hours_of_traffic(self):
        for events, values in self.each("hourly"):
            numbers = [event["value"] for event in events]
            self.assertEqual(values["n"], len(numbers))
            self.assertEqual((values["low"], values["high"]), (min(numbers), max(numbers)))
            self.assertEqual((values["first"], values["last"]), (numbers[0], numbers[-1]))
            self.assertEqual(values["rows"], sum(event["row"] for event in events))
            self.assertIs(type(values["rows"]), int)
            self.assertEqual(values["row_high"], max(event["row"] for event in events))
            self.assertEqual(values["fast"], sum(number > 60 for number in numbers))
            self.check_sum(numbers, values["total"])
            self.check_mean(numbers, values["mean"])

    def test_days_of_traffic(self):
        inside = checked = 0
        for events, values in self.each("daily"):
            numbers = [event["value"] for event in events]
            texts = reference.counts(event["text"] for event in events)
            self.assertEqual(values["n"], len(numbers))
            spread = reference.stddev(numbers)
            if spread is None:
                self.assertIsNone(values["spread"])
            else:
                self.assertAlmostEqual(values["spread"], spread, delta=1e-12 * max(1.0, spread))
            for name, rank in (("median", 0.5), ("p95", 0.95)):
                inside += self.check_quantile(numbers, rank, values[name])
                checked += 1
            readings = values["readings"]
            self.assertLessEqual(readings["lower"], len(texts))
            self.assertGreaterEqual(readings["upper"], len(texts))
            self.check_top(texts, 5, values["common"]["items"])
        self.assertGreaterEqual(inside / checked, 0.95, "quantiles within their bounds")

    def check_top(self, texts, wanted, items):
        self.assertEqual(len(items), min(wanted, len(texts)))
        for item in items:
            self.assertLessEqual(item["lower"], texts[item["item"]])
            self.assertGreaterEqual(item["upper"], texts[item["item"]])
        # Who is left out may not be more frequent than who is shown, beyond the error.
        shown = {item["item"] for item in items}
        left = max((count for text, count in texts.items() if text not in shown), default=0)
        self.assertLessEqual(left, min(item["upper"] for item in items))

    def test_ten_days_of_all_sensors(self):
        for events, values in self.each("ten_days"):
            numbers = [event["value"] for event in events]
            texts = reference.counts(event["text"] for event in events)
            self.assertEqual(values["n"], len(numbers))
            self.check_quantile(numbers, 0.85, values["p85"])
            readings = values["readings"]
            # Three standard errors of an HLL of lg k = 12.
            self.assertLessEqual(abs(readings["estimate"] - len(texts)), 1 + 0.05 * len(texts))
            self.assertLessEqual(readings["lower"], readings["estimate"])
            self.assertGreaterEqual(readings["upper"], readings["estimate"])
            self.check_top(texts, 10, values["common"]["items"])

    def test_days_of_a_machine(self):
        for events, values in self.each("temperature"):
            numbers = [event["value"] for event in events]
            self.assertEqual(values["n"], len(numbers))
            self.assertEqual((values["low"], values["high"]), (min(numbers), max(numbers)))
            self.check_sum(numbers, values["total"])
            self.check_mean(numbers, values["mean"])
            self.check_quantile(numbers, 0.5, values["median"])
            self.assertEqual(values["hot"], sum(number > 100 for number in numbers) / len(numbers))

    def test_kafka_records_carry_key_time_and_headers(self):
        for result in self.results:
            value, headers = result.value, result.headers
            self.assertEqual(result.timestamp, value["end"])
            self.assertEqual(headers["agent"], "gate-1")
            self.assertEqual(headers["window"], value["window"])
            self.assertEqual(headers["revision"], "0")
            self.assertEqual(headers["content-type"], "application/json")
            for name in ("definition", "incarnation", "epoch", "ship"):
                self.assertTrue(headers[name], name)
            for part in value["key"].values():
                self.assertIn(part, result.key)

    def test_the_reference_library_reads_the_sketches_and_estimates_the_same(self):
        seen = set()
        for result in self.results:
            for name, value in result.value["values"].items():
                if not isinstance(value, dict):
                    continue
                seen.add(value["kind"])
                with self.subTest(name=name, start=result.value["start"]):
                    getattr(self, "read_" + value["kind"])(
                        value, {"median": 0.5, "p95": 0.95, "p85": 0.85}.get(name)
                    )
        self.assertEqual(seen, {"hll", "kll", "frequent"})

    def read_hll(self, value, _):
        self.assertEqual(value["type"], "string")
        estimate = datasketches.hll_sketch.deserialize(sketch(value)).get_estimate()
        # While a sketch still has every item it counts them, where the library's formula says
        # 2.0000000049.
        if abs(estimate - round(estimate)) < 1e-3:
            estimate = round(estimate)
        self.assertEqual(value["estimate"], estimate)

    def read_kll(self, value, rank):
        self.assertEqual(value["type"], "double")
        read = datasketches.kll_doubles_sketch.deserialize(sketch(value))
        self.assertEqual(read.get_quantile(rank, True), value["estimate"])

    def read_frequent(self, value, _):
        self.assertEqual(value["type"], "string")
        read = datasketches.frequent_strings_sketch.deserialize(sketch(value))
        for item in value["items"]:
            self.assertEqual(
                (
                    read.get_estimate(item["item"]),
                    read.get_lower_bound(item["item"]),
                    read.get_upper_bound(item["item"]),
                ),
                (item["estimate"], item["lower"], item["upper"]),
            )


if __name__ == "__main__":
    unittest.main()

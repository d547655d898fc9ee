"""The harness itself: what the other suites stand on works without Weir."""

import tempfile
import unittest
from pathlib import Path

from confluent_kafka import Producer

from weirtest import certificates, kafka_reader, places, reference, servers
from weirtest.process import Process, run
from weirtest.publish import Listener, Load, Publisher


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weir-harness-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)


class Reference(unittest.TestCase):
    def test_windows_are_half_open_and_late_events_are_left_out(self):
        events = [{"ts": ts} for ts in (0, 999, 1000, 3000, 998, 2999)]
        windows, late = reference.tumble(events, 1000, lambda e: "all", 500)
        self.assertEqual(
            {start: [e["ts"] for e in inside] for (_, start), inside in windows.items()},
            {0: [0, 999], 1000: [1000], 3000: [3000], 2000: [2999]},
        )
        self.assertEqual(late, 1)

    def test_a_partition_delays_no_other(self):
        events = [{"ts": 10_000, "p": "a"}, {"ts": 0, "p": "b"}]
        _, late = reference.tumble(events, 1000, lambda e: e["p"], 0, lambda e: e["p"])
        self.assertEqual(late, 0)

    def test_quantile_and_ranks(self):
        self.assertEqual(reference.quantile([4, 1, 3, 2], 0.5), 2)
        self.assertEqual(reference.rank_interval([1, 2, 2, 3], 2), (0.25, 0.75))

    def test_stddev_of_a_sample(self):
        self.assertAlmostEqual(
            reference.stddev([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]), 2.13808993529939
        )
        self.assertIsNone(reference.stddev([1.0]))


class Certificates(Folder):
    def verify(self, authority, certificate):
        return run(places.tool("openssl"), "verify", "-CAfile", authority.ca, certificate)

    def test_good_expired_and_foreign(self):
        good = certificates.Authority(self.folder / "good")
        other = certificates.Authority(self.folder / "other")
        certificate, _ = good.issue("gate-1")
        self.assertEqual(self.verify(good, certificate)[0], 0)
        self.assertNotEqual(self.verify(other, certificate)[0], 0)
        expired, _ = good.issue("old", dates=certificates.PAST)
        self.assertIn("expired", "".join(self.verify(good, expired)[1:]))


class Brokers(Folder):
    def test_a_persistent_session_outlives_mosquitto(self):
        broker = servers.Mosquitto(self.folder / "mosquitto").start()
        self.addCleanup(broker.kill)
        listener = Listener(broker.port, "kept")
        publisher = Publisher(broker.port)
        publisher.publish("kept", "1", retain=True)
        publisher.drain()
        publisher.close()
        listener.close()
        self.assertEqual(broker.stop(), 0)
        broker.start()
        again = Listener(broker.port, "kept")
        self.addCleanup(again.close)
        servers.wait_until(lambda: again.messages, 20, "the retained message")
        self.assertEqual(again.messages, [("kept", "1", True)])

    def test_a_load_is_acknowledged_and_its_windows_add_up(self):
        broker = servers.Mosquitto(self.folder / "mosquitto").start()
        self.addCleanup(broker.kill)
        listener = Listener(broker.port, "city/+/events")
        self.addCleanup(listener.close)
        load = Load(broker.port, rate=2000)
        servers.wait_until(lambda: len(load.events) > 300, 20, "events")
        load.pause()
        paused = len(load.events)
        load.resume()
        servers.wait_until(lambda: len(load.events) > paused + 300, 20, "more events")
        load.close()
        total = len(load.events) + Load.SITES
        servers.wait_until(lambda: len(listener.messages) == total, 20, "all messages")
        expected = load.expected()
        self.assertEqual(sum(n for n, *_ in expected.values()), len(load.events))
        self.assertEqual(
            sum(total for _, total, *_ in expected.values()), sum(range(len(load.events)))
        )

    def test_a_reader_sees_committed_records_only_and_kafka_outlives_sigkill(self):
        kafka = servers.Kafka(self.folder / "kafka").start()
        self.addCleanup(kafka.kill)
        kafka.topics(weir_results=4)
        producer = Producer(
            {"bootstrap.servers": kafka.address, "transactional.id": "t", "log_level": 0}
        )
        producer.init_transactions(30)
        for numbers, end in (
            (range(100), producer.commit_transaction),
            (range(100, 150), producer.abort_transaction),
            (range(150, 157), producer.commit_transaction),
        ):
            producer.begin_transaction()
            for number in numbers:
                producer.produce("weir.results", b'{"n":%d}' % number, key=b"%d" % number)
            producer.flush(30)
            end(30)
        wanted = [*range(100), *range(150, 157)]
        reader = kafka_reader.Reader(kafka.address, "weir.results")
        self.addCleanup(reader.close)
        reader.read_to_end()
        self.assertEqual(sorted(r.value["n"] for r in reader.results), wanted)
        kafka.kill()
        kafka.start()
        reader.read_to_end()
        self.assertEqual(sorted(r.value["n"] for r in reader.results), wanted)
        again = kafka_reader.Reader(kafka.address, "weir.results")
        self.addCleanup(again.close)
        again.read_to_end()
        self.assertEqual(sorted(r.value["n"] for r in again.results), wanted)


class Processes(Folder):
    def test_output_of_the_last_start_and_exit_codes(self):
        process = Process(["sh", "-c", "echo up; exec sleep 100"], self.folder / "log")
        for _ in range(2):
            process.start()
            process.wait_for("up")
            self.assertEqual(process.text(), "up\n")
            self.assertEqual(process.stop(), -15)
        self.assertFalse(process.running())


if __name__ == "__main__":
    unittest.main()

"""SIGKILL of the agent and of the bridge at random moments under load, QoS 1 through mosquitto, real
TLS, a real Kafka: nothing lost, nothing twice. 20 times each; --long: 250 times each, which makes
500 of the agent, with its journal in memory and on disk.

Then everything bounced, hard and soft, under a load of a given number of events; and mosquitto
killed, at rest and under load, which loses and repeats by itself: Weir adds nothing to that.
"""

import collections
import json
import os
import random
import re
import time
import unittest

from weirtest import places
from weirtest.mqtt_tap import MqttTap
from weirtest.process import Late, wait_until
from weirtest.publish import Listener, Load
from weirtest.suite import KafkaSuite
from weirtest.totals import wait_for_totals
from weirtest.weir import Agent

KILLS = int(os.environ.get("WEIR_KILLS", "0")) or (250 if places.LONG else 20)
EVENTS = 100_000 if places.LONG else 10_000
# Each makes the agent's pauses before it connects again longer: it has seen no connection last.
BROKER_KILLS = 12 if places.LONG else 5
SEED = int(os.environ.get("WEIR_SEED", "1"))


class Killing(KafkaSuite):
    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        print(f"WEIR_SEED={SEED}", end=" ", flush=True)

    def agent_works(self):
        status = self.agent.status()
        return status and all(link["connected"] for link in status["mqtt"])

    def bridge_works(self):
        return self.bridge.accepts()


class Kills(Killing):
    RATE = 800

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
        begin = time.monotonic()
        for _ in range(KILLS):
            self.kill_and_start(process, up)
        self.assertEqual(process.starts, KILLS + 1)
        took = (time.monotonic() - begin) / KILLS
        wait_for_totals(self, load, read, 600)
        print(f"{KILLS} kills, {took:.2f} s each, {len(load.events)} events", end=" ", flush=True)

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


class Bounces(Killing):
    """Each part in turn, in random order, until the load is through."""

    RATE = 2000

    def setUp(self):
        super().setUp()
        self.chain(Load.SOURCE, agent='checkpoint = "1s"\nflush = "3s"\n')
        self.load, self.read = Load(self.broker.port, self.RATE), self.reader()
        self.read.read_until(lambda results: results, 60, "the first results")

    def until_all_events(self, bounce, parts):
        bounced = collections.Counter()
        while len(self.load.events) < EVENTS or len(bounced) < len(parts):
            if self.load.publisher.published - self.load.publisher.acknowledged > 5000:
                time.sleep(0.2)
                continue
            part = self.random.choice(parts)
            bounced[part] += 1
            bounce(part)
            time.sleep(self.random.uniform(0, 2))
        wait_for_totals(self, self.load, self.read, 300)
        counts = ", ".join(f"{part} {count}" for part, count in sorted(bounced.items()))
        print(f"{len(self.load.events)} events; {counts}", end=" ", flush=True)

    def test_hard(self):
        def bounce(part):
            getattr(self, part).kill()
            getattr(self, part).start()

        self.until_all_events(bounce, ("agent", "bridge", "kafka"))

    def test_soft(self):
        def bounce(part):
            # A publisher whose acknowledgement is lost would publish twice: the load waits until
            # mosquitto has told it of everything.
            if part == "broker":
                self.load.pause()
            code = getattr(self, part).stop()
            self.assertIn(code, (0, None), part)
            getattr(self, part).start()
            self.load.resume()

        self.until_all_events(bounce, ("agent", "bridge", "kafka", "broker"))


class BrokerKills(Killing):
    """mosquitto killed when nothing is under way: Weir has all that a witness of QoS 1 received, and
    of what the broker repeats to it from its last saved state nothing more than the broker's log
    says it sent. (What it repeats is each session's own, so the witness cannot tell that.)"""

    def setUp(self):
        super().setUp()
        self.chain(Load.SOURCE, broker="autosave_interval 1\nlog_type debug\n")

    def test_weir_adds_nothing_to_what_the_broker_loses_and_repeats(self):
        witness = Listener(self.broker.port, "city/+/events", session="witness")
        self.addCleanup(witness.close)
        load, read = Load(self.broker.port, 500), self.reader()
        read.read_until(lambda results: results, 60, "the first results")
        for _ in range(BROKER_KILLS):
            load.resume()
            time.sleep(self.random.uniform(0.3, 1.5))
            load.pause()
            self.settle(witness)
            self.broker.kill()
            self.broker.start()
            wait_until(self.agent_works, 240, lambda: f"connects:\n{self.agent.text()[-3000:]}")
            wait_until(witness.connected, 60, "the witness connects")
        load.resume()
        time.sleep(1)
        load.close()
        self.settle(witness)
        self.compare(load, witness, read)

    def settle(self, witness):
        """Until no more messages come, to the witness and to Weir."""
        before = None
        for _ in range(40):
            now = (len(witness.messages), self.agent.status()["mqtt"][0]["messages"])
            if now == before:
                return
            before = now
            time.sleep(0.5)
        raise Late(f"messages do not end: {before}")

    def compare(self, load, witness, read):
        delivered = collections.Counter()
        for topic, payload, _ in witness.messages:
            if (event := json.loads(payload))["i"] >= 0:
                delivered[topic.split("/")[1], event["ts"], event["i"]] += 1
        least = collections.Counter((site, ts // 1000 * 1000) for site, ts, _ in delivered)
        sent = collections.Counter(
            re.findall(
                rf"Sending PUBLISH to weir-{self.agent.name} \(d., q1, r0, m\d+, 'city/(\w+)/events'",
                self.broker.log.read_text(errors="replace"),
            )
        )
        read.read_until(lambda results: len(results) >= len(least), 120, f"{len(least)} windows")
        read.read_to_end()
        found = {
            (r.value["key"]["site"], r.value["start"]): r.value["values"]["n"] for r in read.results
        }
        self.assertEqual(found.keys(), least.keys())
        for window, n in found.items():
            self.assertLessEqual(least[window], n, f"{window}: lost what the witness received")
        counted = collections.Counter()
        for (site, _), n in found.items():
            counted[site] += n
        for site, n in counted.items():
            # The event that closes a site's windows counts in none.
            self.assertLessEqual(n, sent[site] - 1, f"{site}: more than the broker sent")
        print(
            f"{BROKER_KILLS} kills, {len(load.events)} events: the witness missed "
            f"{len(load.events) - len(delivered)}, the broker repeated "
            f"{sum(sent.values()) - len(counted) - len(delivered)} to Weir, which counted "
            f"{sum(found.values()) - len(delivered)} of those",
            end=" ",
            flush=True,
        )


class BrokerKillsUnderLoad(Killing):
    """mosquitto killed while messages are under way. What it had not saved is lost, and it may have told
    one subscriber and not another; so the witness is a tap on Weir's own connection. All that Weir
    acknowledged there counts, it acknowledged nothing else, and nothing counts more often than it was sent there whole."""

    # What comes again may be a minute older than what came before.
    SOURCE = Load.SOURCE.replace('lateness = "1s"', 'lateness = "60s"')

    def setUp(self):
        super().setUp()
        self.broker = self.mosquitto(extra="autosave_interval 1\nmax_queued_messages 100000\n")
        self.bridge = self.start_bridge()
        self.tap = MqttTap(self.broker.port)
        self.addCleanup(self.tap.close)
        self.agent = self.begin(
            Agent(
                self.folder / "agent",
                self.SOURCE,
                broker=Tapped(self.broker, self.tap.port),
                bridge=self.bridge.url,
                certificates=self.agent_files,
                agent='memory = "40MiB"\n',
            )
        ).ready()

    def test_weir_counts_what_it_acknowledged_and_no_more_than_it_was_sent(self):
        witness = Listener(self.broker.port, "city/+/events", session="witness")
        self.addCleanup(witness.close)
        load, read = Load(self.broker.port, 500), self.reader()
        wait_until(lambda: len(self.tap.acknowledged) > 1500, 60, "Weir acknowledges, and the broker has saved who subscribed")
        for _ in range(BROKER_KILLS):
            before = len(self.tap.acknowledged)
            self.broker.kill()
            self.broker.start()
            wait_until(self.agent_works, 240, lambda: f"connects:\n{self.agent.text()[-3000:]}")
            wait_until(lambda: len(self.tap.acknowledged) > before + 200, 60, "messages come again")
            time.sleep(self.random.uniform(0, 1.5))
        load.close()
        self.compare(load, witness, read)

    def events_of(self, deliveries):
        """{(site, window): [i, ...]}, as often as each came."""
        windows = collections.defaultdict(list)
        for delivery in deliveries:
            if (event := json.loads(delivery.payload))["i"] >= 0:
                windows[delivery.topic.split("/")[1], event["ts"] // 1000 * 1000].append(event["i"])
        return windows

    def compare(self, load, witness, read):
        wait_until(
            lambda: sum(b'"i": -1' in d.payload for d in self.tap.acknowledged) >= load.SITES,
            60,
            "the events that close all windows come",
        )
        self.assertEqual(self.tap.strays, 0, "acknowledged what it was not sent")
        acknowledged = self.events_of(self.tap.acknowledged)
        read.read_until(lambda results: len(results) >= len(acknowledged), 180, f"{len(acknowledged)} windows")
        read.read_to_end()
        sent = self.events_of(self.tap.deliveries)
        found = {
            (r.value["key"]["site"], r.value["start"]): r.value["values"] for r in read.results
        }
        self.assertEqual(len(found), len(read.results), "a window came twice")
        self.assertLessEqual(found.keys(), sent.keys())
        self.assertLessEqual(acknowledged.keys(), found.keys())
        counted = 0
        for window, values in found.items():
            once = set(acknowledged[window])
            self.assertLessEqual(len(once), values["n"], f"{window}: acknowledged and not counted")
            self.assertLessEqual(values["n"], len(sent[window]), f"{window}: more than was sent")
            # What is counted beside those that were acknowledged is of what was sent, too.
            more = sorted(sent[window])
            for i in once:
                more.remove(i)
            extra = values["n"] - len(once)
            rest = values["total"] - sum(once)
            self.assertLessEqual(sum(more[:extra]), rest, f"{window}: other events")
            self.assertLessEqual(rest, sum(more[len(more) - extra :]), f"{window}: other events")
            counted += values["n"]
        distinct = sum(len(set(events)) for events in sent.values())
        told = {(t.split("/")[1], p) for t, p, _ in witness.messages if '"i": -1' not in p}
        print(
            f"{BROKER_KILLS} kills, {len(load.events)} events, of which mosquitto told Weir {distinct} and the witness "
            f"{len(told)}; sent to Weir {sum(map(len, sent.values()))}, acknowledged "
            f"{sum(map(len, acknowledged.values()))}, counted {counted}",
            end=" ",
            flush=True,
        )


class Tapped:
    """mosquitto as the agent sees it: by way of the tap."""

    def __init__(self, broker, port):
        self.url = f"mqtt://127.0.0.1:{port}"
        self.subscribed = broker.subscribed


if __name__ == "__main__":
    unittest.main()

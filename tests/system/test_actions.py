"""What alerts do: programs and messages, each transition once; across SIGKILL each at least once, repeats to the letter.

WEIR_KILLS says how often the agent is killed, WEIR_SEED repeats a run.
"""

import http.server
import json
import os
import random
import socket
import threading
import time
import unittest

from weirtest import places
from weirtest.kafka_reader import check_once
from weirtest.process import run, wait_until
from weirtest.publish import Listener, Publisher
from weirtest.suite import KafkaSuite, Suite

KILLS = int(os.environ.get("WEIR_KILLS", "0")) or (250 if places.LONG else 12)
SEED = int(os.environ.get("WEIR_SEED", "1"))
START_MS = 1_767_225_600_000
SITES = [f"s{site}" for site in range(5)]

SOURCE = """
    [[source]]
    name = "loops"
    topics = ["city/{site}/loop"]
    columns = { speed = "float" }
    time = { field = "ts", lateness = "0s", idle = "1h" }
    partition = "site"

    [[window]]
    name = "ten"
    from = "loops"
    by = ["site"]
    size = "10s"
    select = { n = "count()", mean = "mean(speed)" }

    [[alert]]
    name = "congestion"
    from = "ten"
    when = "mean < 20.0"
    severity = "critical"
    do = [%s]
"""


def program(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


class ActionSuite(Suite):
    def program(self, name, text):
        return program(self.folder / name, text)

    def start(self, actions, more="", **options):
        self.broker = self.mosquitto()
        self.agent = self.local_agent(SOURCE % ", ".join(actions) + more, self.broker, **options)

    def play(self, means, sites=("s1",), first=0, publisher=None):
        own = publisher or Publisher(self.broker.port)
        for window, mean in enumerate(means, first):
            for site in sites:
                event = {"ts": START_MS + 10_000 * window, "speed": mean}
                own.publish(f"city/{site}/loop", event)
        own.drain()
        if not publisher:
            own.close()

    def actions(self, kind):
        return self.agent.status()["actions"][kind]


def lines_of(path):
    return path.read_text().splitlines() if path.exists() else []


class Programs(ActionSuite):
    def test_a_program_gets_arguments_and_the_transition(self):
        out = self.folder / "out"
        sign = self.program("sign", f'echo "$#:$1:$2:$(cat)" >>{out}; echo the sign is lit')
        self.start([f'{{ exec = ["{sign}", "{{site}}", "a b;{{state}}"] }}'])
        self.play([10, 50, 50])
        wait_until(lambda: len(lines_of(out)) == 2, 30, lambda: str(lines_of(out)))
        raised, cleared = lines_of(out)
        self.assertTrue(raised.startswith("2:s1:a b;raised:{"), raised)
        state = json.loads(raised.split(":", 3)[3])
        self.assertEqual(
            (state["alert"], state["state"], state["key"], state["end"]),
            ("congestion", "raised", {"site": "s1"}, START_MS + 10_000),
        )
        self.assertTrue(cleared.startswith("2:s1:a b;cleared:{"), cleared)
        wait_until(lambda: self.actions("exec")["done"] == 2, 30, lambda: str(self.actions("exec")))
        self.assertIn("the sign is lit", self.agent.text())

    def test_one_that_hangs_or_fails_is_given_up_and_holds_up_no_other(self):
        out = self.folder / "out"
        hangs = self.program("hangs", "trap '' TERM; while :; do sleep 1; done")
        fails = self.program("fails", f"echo try >>{out}.tries; exit 3")
        floods = self.program("floods", f"head -c 30000000 /dev/zero | tr '\\0' x; echo over >>{out}.over")
        good = self.program("good", f"cat >>{out}; echo >>{out}")
        self.start(
            [
                f'{{ exec = ["{hangs}"], timeout = "300ms", retry = 1, on = ["raise"] }}',
                f'{{ exec = ["{fails}"], retry = 2, on = ["raise"] }}',
                f'{{ exec = ["{floods}"], on = ["raise"] }}',
                f'{{ exec = ["{good}"] }}',
            ]
        )
        self.play([10, 50, 50])
        wait_until(lambda: len(lines_of(out)) == 2, 30, "the good one, twice")
        wait_until(
            lambda: self.actions("exec")["given_up"] == 2, 60, lambda: str(self.actions("exec"))
        )
        self.assertEqual(len(lines_of(out.with_suffix(".tries"))), 3)
        self.assertEqual(lines_of(out.with_suffix(".over")), ["over"])
        counters = self.actions("exec")
        self.assertEqual((counters["done"], counters["waiting"]), (3, 0), counters)

    def test_a_program_may_take_more_memory_than_the_agent_has(self):
        out = self.folder / "out"
        large = self.program(
            "large", f"exec /usr/bin/python3 -c 'x = bytearray(100 << 20); open(\"{out}\", \"w\").write(str(len(x)) + chr(10))'"
        )
        self.start([f'{{ exec = ["{large}"], on = ["raise"] }}'])
        self.play([10, 50])
        wait_until(lambda: lines_of(out) == ["104857600"], 30, lambda: self.agent.text()[-2000:])

    def test_a_helper_that_is_killed_comes_back(self):
        out = self.folder / "out"
        good = self.program("good", f"cat >>{out}; echo >>{out}")
        self.start([f'{{ exec = ["{good}"] }}'])
        self.play([10, 50, 50])
        wait_until(lambda: len(lines_of(out)) == 2, 30, "both")
        helper = [
            int(pid)
            for pid in os.listdir("/proc")
            if pid.isdigit() and parent_and_name(pid) == (str(self.agent.pid), "weir-exec")
        ]
        self.assertEqual(len(helper), 1)
        os.kill(helper[0], 9)
        self.play([10, 50, 50], first=3)
        wait_until(lambda: len(lines_of(out)) == 4, 30, "both again")
        self.assertGreaterEqual(self.actions("exec")["helper_starts"], 2)


def parent_and_name(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            text = file.read()
    except OSError:
        return None
    name = text[text.index("(") + 1 : text.rindex(")")]
    return text[text.rindex(")") + 2 :].split()[1], name


class Hook(http.server.ThreadingHTTPServer):
    """A web server near by, which keeps what it got and answers as it is told."""

    daemon_threads = True

    def __init__(self):
        self.got = []
        self.answers = []  # of the next requests; then 204
        super().__init__(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    def close(self):
        self.shutdown()
        self.thread.join()
        self.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/hook"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server
        server.got.append((self.path, dict(self.headers), body.decode()))
        answer = server.answers.pop(0) if server.answers else 204
        if answer == "hang":
            time.sleep(3)
            return
        self.send_response(answer)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Webhooks(ActionSuite):
    def hook(self):
        hook = Hook()
        self.addCleanup(hook.close)
        return hook

    def test_json_headers_and_bearer_arrive(self):
        hook = self.hook()
        token = self.folder / "hook.token"
        token.write_text("s3cret\n")
        self.start(
            [
                f'{{ webhook = {{ url = "{hook.url}", headers = {{ X-Gateway = "17" }},'
                f' bearer_file = "{token}" }} }}'
            ]
        )
        self.play([10, 50, 50])
        wait_until(lambda: len(hook.got) == 2, 30, lambda: self.agent.text()[-2000:])
        path, headers, body = hook.got[0]
        self.assertEqual(path, "/hook")
        self.assertEqual(
            (headers["X-Gateway"], headers["Authorization"], headers["Content-Type"]),
            ("17", "Bearer s3cret", "application/json"),
        )
        self.assertEqual(
            [json.loads(body)["state"] for _, _, body in hook.got], ["raised", "cleared"]
        )
        wait_until(lambda: self.actions("webhook")["done"] == 2, 30, "both are marked")
        self.assertNotIn("s3cret", self.agent.text())

    def test_errors_are_tried_again_in_order_and_a_dead_one_holds_up_no_other(self):
        hook = self.hook()
        hook.answers = [503, "hang"]
        dead = socket.create_server(("127.0.0.1", 0))  # accepts, and never answers
        self.addCleanup(dead.close)
        dead_url = f"http://127.0.0.1:{dead.getsockname()[1]}/"
        self.start(
            [
                f'{{ webhook = {{ url = "{dead_url}" }}, timeout = "1s", retry = 1, on = ["raise"] }}',
                f'{{ webhook = {{ url = "{hook.url}" }}, timeout = "1s" }}',
            ]
        )
        self.play([10, 50, 50])
        wait_until(lambda: len(hook.got) == 4, 60, lambda: str(hook.got))
        states = [json.loads(body)["state"] for _, _, body in hook.got]
        self.assertEqual(states, ["raised", "raised", "raised", "cleared"])
        self.assertEqual(len({body for _, _, body in hook.got[:3]}), 1)
        wait_until(lambda: self.actions("webhook")["given_up"] == 1, 60, "the dead one")
        counters = self.actions("webhook")
        self.assertEqual((counters["done"], counters["waiting"], counters["retries"]), (2, 0, 3))
        self.assertIn("HTTP 503", self.agent.text())


class Fire(ActionSuite):
    def test_it_does_what_the_alert_would_do_marked_as_a_test_and_changes_nothing(self):
        out = self.folder / "out"
        good = self.program("good", f'echo "$1 $(cat)" >>{out}')
        self.start(
            [
                f'{{ exec = ["{good}", "{{site}}"], on = ["clear"] }}',
                '{ mqtt = { topic = "signs/{site}", retain = true } }',
            ]
        )
        listener = Listener(self.broker.port, "signs/#")
        self.addCleanup(listener.close)
        code, words, _ = run(places.WEIR, "alert", "fire", self.agent.config, "congestion")
        self.assertEqual(code, 0, words)
        self.assertIn("2 actions", words)
        wait_until(lambda: lines_of(out) and listener.messages, 30, "both")
        argument, body = lines_of(out)[0].split(" ", 1)
        state = json.loads(body)
        self.assertEqual((argument, state["test"], state["key"]), ("test", True, {"site": "test"}))
        topic, payload, _ = listener.messages[0]
        self.assertEqual((topic, json.loads(payload)["test"]), ("signs/test", True))
        later = Listener(self.broker.port, "signs/#")
        self.addCleanup(later.close)
        self.play([10, 50, 50])  # and the real ones are as they were
        wait_until(lambda: len(listener.messages) == 3, 30, lambda: str(listener.messages))
        self.assertNotIn("signs/test", [topic for topic, *_ in later.messages])
        for _, payload, _ in listener.messages[1:]:
            self.assertNotIn("test", json.loads(payload))

    def test_a_wrong_name_is_told_the_nearest(self):
        self.start(['{ mqtt = { topic = "signs/{site}" } }'])
        code, _, words = run(places.WEIR, "alert", "fire", self.agent.config, "congestoin")
        self.assertEqual(code, 1)
        self.assertIn('did you mean "congestion"?', words)


class Kills(ActionSuite):
    """SIGKILL at random moments: no raise and no clear is lost, by MQTT or by a program."""

    def test_no_transition_is_lost_and_repeats_are_the_same(self):
        print(f"WEIR_SEED={SEED}", end=" ", flush=True)
        chance = random.Random(SEED)
        out = self.folder / "out"
        append = self.program("append", f'line=$(cat); echo "$line" >>{out}')
        self.start(
            [
                '{ mqtt = { topic = "signs/{site}/{state}", retain = false } }',
                f'{{ exec = ["{append}"], retry = 20 }}',
            ]
        )
        listener = Listener(self.broker.port, "signs/#")
        self.addCleanup(listener.close)
        publisher = Publisher(self.broker.port)
        self.addCleanup(publisher.close)
        window = 0
        for _ in range(KILLS):
            # The queue of programs is bounded (some 70 of these), and what it drops is counted, not lost by a kill.
            wait_until(lambda: self.waiting() < 10, 60, "room in the queue of programs")
            windows = chance.randrange(2, 7)
            self.play([10 if (window + i) % 2 else 50 for i in range(windows)], SITES, window, publisher)
            window += windows
            time.sleep(chance.random() * 0.4)
            self.agent.kill()
            if chance.random() < 0.5:  # what the broker keeps comes with the next connection
                self.play([10 if window % 2 else 50], SITES, window, publisher)
                window += 1
            self.agent.start()
            if chance.random() < 0.7:
                self.agent.ready()
        self.agent.ready()
        self.play([50], SITES, window + window % 2, publisher)
        # Odd windows raise and even ones clear; the last one is open, and window 0 had nothing to clear.
        last = window + window % 2
        expected = {
            (site, START_MS + 10_000 * (w + 1), "raised" if w % 2 else "cleared")
            for site in SITES
            for w in range(1, last)
        }
        # A gap before the last window says nothing, so nothing changes there.
        expected -= {entry for entry in expected if entry[1] > START_MS + 10_000 * window}

        def told(payloads):
            by_identity = {}
            for payload in payloads:
                state = json.loads(payload)
                identity = (state["key"]["site"], state["end"], state["state"])
                by_identity.setdefault(identity, []).append(payload)
            return by_identity

        def by_mqtt():
            return told(payload for _, payload, _ in listener.messages)

        def by_program():
            return told(lines_of(out))

        wait_until(
            lambda: by_mqtt().keys() >= expected and by_program().keys() >= expected,
            120,
            lambda: f"not by MQTT: {sorted(expected - by_mqtt().keys())}, not by the program: "
            f"{sorted(expected - by_program().keys())}; {self.agent.status()['actions']}",
        )
        wait_until(lambda: self.waiting() == 0, 60, "nothing waits")
        for ways in (by_mqtt(), by_program()):
            self.assertEqual(ways.keys(), expected)
            repeats = 0
            for payloads in ways.values():
                self.assertEqual(len(set(payloads)), 1, payloads)
                repeats += len(payloads) - 1
            # Each kill can fall between at most so many deeds and their marks.
            self.assertLessEqual(repeats, KILLS * 32)
            print(f"{len(ways)} transitions, {repeats} repeats", end="; ", flush=True)

    def waiting(self):
        status = self.agent.status()
        return sum(kind["waiting"] for kind in status["actions"].values()) if status else 1000


class Offline(KafkaSuite):
    """With bridge and Kafka gone every action still works; when they are back alerts arrive first, once each."""

    def test_every_action_works_and_alerts_arrive_first_and_once(self):
        out = self.folder / "out"
        append = program(self.folder / "append", f'line=$(cat); echo "$line" >>{out}')
        hook = Hook()
        self.addCleanup(hook.close)
        actions = [
            '{ mqtt = { topic = "signs/{site}", retain = false } }',
            f'{{ exec = ["{append}"] }}',
            f'{{ webhook = {{ url = "{hook.url}" }} }}',
        ]
        self.chain(SOURCE % ", ".join(actions))
        results, alerts = self.reader(), self.reader(self.alerts_topic)
        listener = Listener(self.broker.port, "signs/#")
        self.addCleanup(listener.close)
        self.assertEqual(self.bridge.stop(), 0)
        self.kafka.kill()
        publisher = Publisher(self.broker.port)
        self.addCleanup(publisher.close)
        windows = 11  # as many as the queues of programs and webhooks hold
        for window in range(windows):
            for site in SITES:
                event = {"ts": START_MS + 10_000 * window, "speed": 10 if window % 2 else 50}
                publisher.publish(f"city/{site}/loop", event)
        publisher.drain()
        transitions = (windows - 2) * len(SITES)
        for what in (lambda: listener.messages, lambda: lines_of(out), lambda: hook.got):
            wait_until(lambda: len(what()) == transitions, 60, lambda: str(len(what())))
        self.kafka.start()
        self.bridge.start()
        results.read_until(lambda got: len(got) >= (windows - 1) * len(SITES), 90, "the results")
        alerts.read_until(lambda got: len(got) >= transitions, 60, "the alerts")
        self.assertEqual(len(alerts.results), transitions)
        check_once(self, alerts.read_to_end() + results.read_to_end())
        ships = [[int(r.headers["ship"]) for r in reader.results] for reader in (alerts, results)]
        self.assertLess(max(ships[0]), min(ships[1]), "alerts first")


if __name__ == "__main__":
    unittest.main()

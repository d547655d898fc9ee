"""The commands as a person or a script meets them: texts, exit codes, and the formats that are
promised."""

import base64
import json
import os
import pty
import subprocess
import textwrap
import threading
import unittest

import datasketches

from weirtest import places
from weirtest.process import Process, free_port, run, wait_until
from weirtest.publish import Load, Publisher
from weirtest.servers import Mosquitto
from weirtest.suite import Suite
from weirtest.weir import Agent, Bridge

START_MS = 1_767_225_600_000

SMALLEST = """
[mqtt]
url = "mqtt://192.168.1.10"
[[source]]
name    = "loops"
topics  = ["city/{site}/loop/{lane}"]
columns = { speed = "float" }
[[window]]
name   = "site_minute"
from   = "loops"
by     = ["site"]
size   = "1m"
select = { n = "count()", p85 = "quantile(speed, 0.85)" }
"""

BY_TIME = """
[mqtt]
url = "mqtt://localhost"
[[source]]
name = "loops"
topics = ["city/{site}/loop"]
columns = { speed = "float", vid = "string" }
time = { field = "ts", lateness = "0s" }
[[window]]
name = "w"
from = "loops"
by = ["site"]
size = "10s"
select = { n = "count()", mean = "mean(speed)", u = "distinct(vid)" }
"""


class CommandLine(Suite):
    def config(self, text, name="weir.toml"):
        path = self.folder / name
        path.write_text(textwrap.dedent(text))
        return path

    def weir(self, *arguments, code=0, **more):
        """Runs weir; returns (standard output, standard error)."""
        got, out, err = run(places.WEIR, *arguments, **more)
        self.assertEqual(got, code, f"weir {' '.join(map(str, arguments))}\n{out}{err}")
        return out, err

    def refused(self, text, *wanted, command="check"):
        """The configuration is refused with 78, the message having all of wanted."""
        path = self.config(text)
        out, err = self.weir(command, path, code=78)
        for words in wanted:
            self.assertIn(words, out + err)
        return out + err


class Help(CommandLine):
    COMMANDS = {
        places.WEIR: ["run", "check", "plan", "replay", "init", "status", "why", "state", "sketch"],
        places.BRIDGE: ["run", "check", "enrol"],
    }

    def test_help_and_version(self):
        for program, commands in self.COMMANDS.items():
            code, out, err = run(program, "--version")
            self.assertEqual((code, err), (0, ""))
            self.assertRegex(out, r"^weir(-bridge)? \d+\.\d+\.\d+")
            code, out, err = run(program, "--help")
            self.assertEqual((code, err), (0, ""))
            for command in commands:
                self.assertIn(command, out)
                code, more, err = run(program, command, "--help")
                self.assertEqual((code, err), (0, ""), command)
                self.assertIn(command, more)
                self.assertGreater(len(more.splitlines()), 3, f"{command} --help teaches something")

    def test_usage_errors_are_2_and_say_what_to_do(self):
        for program, wrong in (
            (
                places.WEIR,
                [
                    [],
                    ["frobnicate"],
                    ["run"],
                    ["check"],
                    ["replay", "x.toml"],
                    ["why", "x.toml"],
                    ["run", "x.toml", "--frobnicate"],
                    ["plan", "x.toml", "y.toml"],
                ],
            ),
            (
                places.BRIDGE,
                [[], ["frobnicate"], ["run"], ["enrol"], ["check", "x.toml", "--frobnicate"]],
            ),
        ):
            for arguments in wrong:
                code, out, err = run(program, *arguments)
                self.assertEqual(code, 2, f"{program.name} {arguments}: {out}{err}")
                self.assertRegex(
                    err,
                    rf"(?m)^(usage: |  )?{program.name} ",
                    "what is right is shown",
                )
        self.assertIn("replay", run(places.WEIR, "repaly")[2], "the nearest command is named")

    def test_status_without_an_agent_fails_with_a_sentence(self):
        path = self.config(SMALLEST + f'[agent]\nrun = "{self.folder}"\nstate = "{self.folder}"\n')
        _, err = self.weir("status", path, code=1)
        self.assertIn("no agent", err.lower())


class State(CommandLine):
    """`weir state`: an agent whose bridge is not there leaves results, and they are looked at."""

    BODY = Load.SOURCE

    def setUp(self):
        super().setUp()
        self.broker = self.begin(Mosquitto(self.folder / "broker"))
        self.agent = self.begin(
            Agent(
                self.folder / "agent",
                self.BODY,
                self.broker,
                f"tls://127.0.0.1:{free_port()}",
                self.agent_files,
            )
        )
        self.agent.ready()
        load = Load(self.broker.port, 200)
        self.addCleanup(load.publisher.close)
        wait_until(lambda: self.agent.status()["outbox"]["rows"] > 20, 60, "results wait")
        load.pause()

    def kept(self):
        return {
            path: path.read_bytes()
            for part in ("state", "run")
            for path in sorted((self.agent.folder / part).iterdir())
            if path.is_file()
        }

    def test_shows_verifies_and_exports_what_an_agent_has_kept(self):
        out, _ = self.weir("state", self.agent.config)
        self.assertIn("An agent runs", out)
        self.weir("state", self.agent.config, "--export", self.folder / "no", code=1)
        self.assertFalse((self.folder / "no").exists())
        self.assertEqual(self.agent.stop(), 0)

        before, rows = self.kept(), self.folder / "rows.ndjson"
        out, _ = self.weir("state", self.agent.config, "--export", rows)
        for words in ("journal", "crash checkpoint", "incarnation", "Every checksum holds", "rows exported"):
            self.assertIn(words, out)
        summary = json.loads(self.weir("state", self.agent.config, "--json")[0])
        lines = [json.loads(line) for line in rows.read_text().splitlines()]
        self.assertGreater(len(lines), 20)
        self.assertEqual(len(lines), summary["database"]["results"] + summary["database"]["alerts"])
        self.assertEqual({line["agent"] for line in lines}, {"gate-1"})
        self.assertEqual(summary["problems"], [])
        self.assertEqual(self.kept(), before, "nothing was written")
        _, err = self.weir("state", self.agent.config, "--export", rows, code=1)
        self.assertIn("there already", err)

        database = self.agent.state / "weir.db"
        content = bytearray(database.read_bytes())
        content[content.index(b"seconds") + 20] ^= 1  # in a row: its window's name stands there
        database.write_bytes(content)
        out, _ = self.weir("state", self.agent.config, code=1)
        self.assertIn("WRONG", out)
        self.assertIn("damaged", out)


class Configuration(CommandLine):
    def test_the_smallest_one_works_as_it_stands(self):
        self.weir("check", self.config(SMALLEST))

    def test_what_check_explains_means_the_same(self):
        path = self.config(SMALLEST)
        out, _ = self.weir("check", path, "--explain")
        for default in ('lateness', 'max_groups', 'checkpoint', '24MiB'):
            self.assertIn(default, out)
        (self.folder / "again").mkdir()
        again = self.folder / "again" / "weir.toml"
        again.write_text(out)
        self.assertEqual(self.weir("check", again, "--explain")[0], out)

    def test_an_unknown_key_is_named_with_place_and_neighbour(self):
        for key, line, near in (("topcis", 6, "topics"),):
            text = self.refused(SMALLEST.replace(near, key), "topcis", near)
            self.assertRegex(text, rf"weir\.toml:{line}:1\b")

    def test_places_in_expressions(self):
        text = self.refused(
            SMALLEST.replace("quantile(speed, 0.85)", "quantile(spede, 0.85)"), "spede", "speed"
        )
        line = SMALLEST.splitlines()[-1]
        column = line.index("speed, 0.85") + 1
        self.assertIn(f"weir.toml:13:{column}:", text)

    def test_what_is_wrong_is_said(self):
        for text, words in (
            (SMALLEST.replace('"1m"', '"1 fortnight"'), ["size", ":12:"]),
            (SMALLEST.replace('"1m"', "60"), ["size", ":12:", "60s"]),
            (SMALLEST.replace('from   = "loops"', 'from   = "lops"'), ["lops", "loops", ":10:"]),
            (SMALLEST.replace('columns = {', 'qos = 2\ncolumns = {'), ["qos", ":7:", "2"]),
            (SMALLEST.replace('["site"]', '["sight"]'), ["sight", "site", ":11:"]),
            (SMALLEST.replace("[[window]]", "[[window"), [":8:"]),
            (
                SMALLEST + '[[window]]\nname = "site_minute"\nfrom = "loops"\nsize = "1m"\n'
                'select = { n = "count()" }\n',
                ["site_minute", ":14:"],
            ),
            (SMALLEST.replace("mqtt://", "http://"), ["http", ":3:"]),
            (SMALLEST.replace('"float"', '"flaot"'), ["flaot", "float", ":7:"]),
        ):
            with self.subTest(words=words):
                self.refused(text, *words)

    def test_run_refuses_what_check_refuses(self):
        self.refused(SMALLEST.replace("topics", "topcis"), "topcis", command="run")

    def test_no_file(self):
        _, err = self.weir("check", self.folder / "none.toml", code=78)
        self.assertIn("none.toml", err)

    def test_drop_ins_and_variables(self):
        path = self.config(SMALLEST.replace("192.168.1.10", "${HOST_OF_BROKER:-fallback}"))
        (self.folder / "weir.d").mkdir()
        (self.folder / "weir.d" / "10.toml").write_text('[agent]\nid = "first"\nmemory = "30MiB"\n')
        (self.folder / "weir.d" / "20.toml").write_text('[agent]\nid = "second"\n')
        out, _ = self.weir("check", path, "--explain", env={"HOST_OF_BROKER": "broker.example.org"})
        for words in ('"second"', "30MiB", "broker.example.org"):
            self.assertIn(words, out)
        self.assertIn("fallback", self.weir("check", path, "--explain")[0])
        (self.folder / "weir.d" / "30.toml").write_text('[agent]\nidd = "x"\n')
        _, err = self.weir("check", path, code=78)
        self.assertIn("30.toml:2:1", err)

    def test_the_examples_are_good(self):
        examples = sorted((places.REPOSITORY / "board" / "examples").glob("*.toml"))
        rules = [example for example in examples if example.name.endswith(".test.toml")]
        self.assertTrue(rules and len(rules) < len(examples))
        for example in examples:
            if example in rules:
                self.weir("test", example)
            else:
                self.weir("check", example)
                self.weir("plan", example)


class Plan(CommandLine):
    def test_the_parts_add_up(self):
        plan = json.loads(self.weir("plan", self.config(SMALLEST), "--json")[0])
        self.assertEqual(sum(part["bytes"] for part in plan["parts"]), plan["total_bytes"])
        self.assertLessEqual(plan["total_bytes"], plan["budget_bytes"])
        self.assertEqual(plan["budget_bytes"], 24 << 20)
        self.assertTrue(plan["fits"])
        self.assertGreaterEqual(plan["flash_bytes_per_day"], 0)

    def test_the_table_has_parts_total_and_budget(self):
        out, _ = self.weir("plan", self.config(SMALLEST))
        for words in ("site_minute", "total", "budget", "flash"):
            self.assertIn(words, out.lower())

    def test_what_does_not_fit_is_refused_everywhere(self):
        path = self.config(
            "[agent]\nmemory = \"24MiB\"\n"
            + SMALLEST.replace("[[window]]", "[[window]]\nmax_groups = 20000")
        )
        for command in ("plan", "check", "run"):
            out, err = self.weir(command, path, code=78)
            self.assertIn("memory", (out + err).lower())


class Replay(CommandLine):
    EVENTS = [
        (0, "s1", 57, "a"),
        (3000, "s1", 57.25, "b"),
        (9999, "s1", 57.5, "a"),
        (9000, "s2", 1.25, "c"),
        (10_000, "s1", 8, "a"),
    ]
    LINES = [
        json.dumps({"ts": START_MS + ts, "site": site, "speed": speed, "vid": vid})
        for ts, site, speed, vid in EVENTS
    ]
    WANTED = "".join(
        f'{{"window":"w","start":{START_MS + start},"end":{START_MS + start + 10_000},"revision":0,'
        f'"key":{{"site":"{site}"}},"values":{{"n":{n},"mean":{mean},"u":{{"estimate":{u},"lower":{u},"upper":{u}}}}}}}\n'
        for start, site, n, mean, u in (
            (0, "s1", 3, "57.25", 2),
            (0, "s2", 1, "1.25", 1),
            (10_000, "s1", 1, "8", 1),
        )
    )

    def lines_with_topics(self):
        return [
            f"city/{site}/loop\t{line}\n" for line, (_, site, *_) in zip(self.LINES, self.EVENTS)
        ]

    def test_exactly_the_promised_lines(self):
        path = self.config(BY_TIME)
        events = self.folder / "events"
        events.write_text("".join(self.lines_with_topics()))
        self.assertEqual(self.weir("replay", path, events), (self.WANTED, ""))

    def test_standard_input(self):
        out, _ = self.weir(
            "replay", self.config(BY_TIME), "-", text="".join(self.lines_with_topics())
        )
        self.assertEqual(out, self.WANTED)

    def test_a_topic_for_all_lines(self):
        wanted = "".join(line + "\n" for line in self.WANTED.splitlines() if '"s1"' in line)
        lines = "\n".join(line for line in self.LINES if '"s1"' in line) + "\n"
        out, _ = self.weir(
            "replay", self.config(BY_TIME), "-", "--topic", "city/s1/loop", text=lines
        )
        self.assertEqual(out, wanted)

    def test_without_any_topic_columns_of_the_topic_come_from_fields(self):
        out, _ = self.weir("replay", self.config(BY_TIME), "-", text="\n".join(self.LINES))
        self.assertEqual(out, self.WANTED)

    def test_arrival_times_are_the_events_times_where_no_field_says_so(self):
        path = self.config(BY_TIME.replace('field = "ts", ', ""))
        lines = "".join(
            f"{START_MS + ts}\tcity/{site}/loop\t{line}\n"
            for line, (ts, site, *_) in zip(self.LINES, self.EVENTS)
        )
        # The fourth arrives a second before the third and is in the same window.
        self.assertEqual(self.weir("replay", path, "-", text=lines)[0], self.WANTED)

    def test_csv_with_a_header(self):
        path = self.config(BY_TIME.replace("columns =", 'format = "csv"\ncolumns ='))
        events = self.folder / "events.csv"
        events.write_text(
            "ts,site,speed,vid\n"
            + "".join(
                f"{START_MS + ts},{site},{speed},{vid}\n" for ts, site, speed, vid in self.EVENTS
            )
        )
        self.assertEqual(self.weir("replay", path, events)[0], self.WANTED)

    def test_a_source_among_several(self):
        other = (
            BY_TIME[BY_TIME.index("[[source]]") :]
            .replace('"loops"', '"others"')
            .replace("city/{site}", "town/{site}")
            .replace('name = "w"', 'name = "x"')
        )
        path = self.config(BY_TIME + other)
        out, _ = self.weir("replay", path, "-", "--source", "others", text="\n".join(self.LINES))
        self.assertEqual(out, self.WANTED.replace('"window":"w"', '"window":"x"'))
        _, err = self.weir("replay", path, "-", "--source", "nothing", text="", code=1)
        self.assertIn("others", err)

    def test_sketches_are_there_when_asked_for(self):
        out, _ = self.weir(
            "replay",
            self.config(BY_TIME),
            "-",
            "--sketches",
            text="".join(self.lines_with_topics()),
        )
        u = json.loads(out.splitlines()[0])["values"]["u"]
        self.assertEqual((u["kind"], u["type"]), ("hll", "string"))
        read = datasketches.hll_sketch.deserialize(base64.b64decode(u["sketch"]))
        self.assertEqual(round(read.get_estimate()), u["estimate"])
        read.update("a")
        self.assertEqual(
            round(read.get_estimate()), 2, "strings are hashed as everybody hashes them"
        )

    def test_damaged_lines_do_not_end_it_and_are_reported(self):
        lines = self.lines_with_topics()
        lines.insert(2, "city/s1/loop\t{broken\n")
        out, err = self.weir("replay", self.config(BY_TIME), "-", text="".join(lines))
        self.assertEqual(out, self.WANTED)
        self.assertIn("malformed", err)

    def test_no_such_file(self):
        _, err = self.weir("replay", self.config(BY_TIME), self.folder / "none", code=1)
        self.assertIn("none", err)

    def test_progress_is_shown_on_a_terminal_only(self):
        path = self.config(BY_TIME)
        events = self.folder / "events"
        events.write_text("".join(self.lines_with_topics()) * 50_000)
        master, slave = pty.openpty()
        shown = bytearray()

        def read():
            try:
                while part := os.read(master, 4096):
                    shown.extend(part)
            except OSError:
                pass

        reader = threading.Thread(target=read)
        reader.start()
        try:
            code = subprocess.call(
                [places.WEIR, "replay", path, events], stdout=subprocess.DEVNULL, stderr=slave
            )
        finally:
            os.close(slave)
        reader.join(20)
        os.close(master)
        self.assertEqual(code, 0)
        self.assertIn(b"%", shown)
        self.assertIn(b"\r", shown)
        self.assertNotIn("%", self.weir("replay", path, events)[1])

    def test_a_closed_pipe_is_no_failure_to_shout_about(self):
        path = self.config(BY_TIME)
        events = self.folder / "events"
        events.write_text(
            "".join(
                f'{{"ts":{START_MS + i * 10_000},"site":"s","speed":1,"vid":"a"}}\n'
                for i in range(50_000)
            )
        )
        done = subprocess.run(
            f'"{places.WEIR}" replay "{path}" "{events}" | head -1',
            shell=True,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.assertEqual(len(done.stdout.splitlines()), 1)
        self.assertNotIn("abort", done.stderr.lower())


class LocalAnalyser(CommandLine):
    def test_run_print_writes_what_replay_writes(self):
        broker = self.mosquitto()
        body = BY_TIME[BY_TIME.index("[[source]]") :].replace(
            'lateness = "0s"', 'lateness = "0s", idle = "1h"'
        )
        agent = self.local_agent(body, broker)
        publisher = Publisher(broker.port)
        lines = []
        for number in range(300):
            event = {
                "ts": START_MS + number * 333,
                "speed": number % 70 + 0.1,
                "vid": f"v{number % 17}",
            }
            lines.append(f"city/s{number % 3}/loop\t{json.dumps(event)}\n")
            publisher.publish(f"city/s{number % 3}/loop", event)
        publisher.drain()
        publisher.close()
        replayed = self.weir("replay", agent.config, "-", text="".join(lines))[0].splitlines()
        closed = [line for line in replayed if json.loads(line)["end"] <= START_MS + 299 * 333]
        self.assertGreater(len(closed), 20)

        def printed():
            return [line for line in agent.text().splitlines() if line.startswith('{"window"')]

        wait_until(
            lambda: len(printed()) >= len(closed),
            20,
            lambda: f"{len(closed)} results:\n{agent.text()[-2000:]}",
        )
        self.assertEqual(printed(), closed)

    def test_why_shows_the_way_of_the_events_and_names_a_wrong_unit(self):
        broker = self.mosquitto()
        agent = self.local_agent(BY_TIME[BY_TIME.index("[[source]]") :], broker)
        publisher = Publisher(broker.port)
        for number in range(20):
            publisher.publish(
                "city/s1/loop", {"ts": START_MS // 1000 + number, "speed": 1.0, "vid": "a"}
            )
        publisher.drain()
        publisher.close()
        wait_until(lambda: agent.status()["sources"][0]["messages"] == 20, 20, "20 messages")
        out, _ = self.weir("why", agent.config, "w")
        for words in ("received", "decoded", "late", "watermark"):
            self.assertIn(words, out.lower())
        self.assertRegex(out, r"looks like seconds.*ms")
        _, err = self.weir("why", agent.config, "v", code=1)
        self.assertRegex(err, r"there are:.*\bw\b")

    def test_status_for_people_and_programs(self):
        broker = self.mosquitto()
        agent = self.local_agent(BY_TIME[BY_TIME.index("[[source]]") :], broker)
        out, _ = self.weir("status", agent.config)
        for words in ("gate-1", "loops", "w"):
            self.assertIn(words, out)
        json.loads(self.weir("status", agent.config, "--json")[0])


class Connect(CommandLine):
    def check(self, broker):
        return run(
            places.WEIR,
            "check",
            self.config(SMALLEST.replace("mqtt://192.168.1.10", broker.url)),
            "--connect",
            seconds=60,
        )

    def test_it_warns_where_the_broker_would_drop_what_it_should_keep(self):
        if not places.BROKER_LIMITS.exists():
            self.skipTest(f"no {places.BROKER_LIMITS}")
        code, out, err = self.check(self.mosquitto(limits=False))
        self.assertEqual(code, 0, out + err)
        self.assertIn("weir.conf", out + err)
        self.assertIn("warning", (out + err).lower())

    def test_it_is_content_with_the_limits_that_ship(self):
        if not places.BROKER_LIMITS.exists():
            self.skipTest(f"no {places.BROKER_LIMITS}")
        code, out, err = self.check(self.mosquitto())
        self.assertEqual(code, 0, out + err)
        self.assertNotIn("warning", (out + err).lower())

    def test_no_broker_is_a_failure(self):
        broker = self.mosquitto()
        broker.kill()
        code, out, err = self.check(broker)
        self.assertEqual(code, 1, out + err)
        self.assertIn(str(broker.port), out + err)


class Init(CommandLine):
    def test_it_writes_a_configuration_that_works(self):
        broker = self.mosquitto()
        simulator = Process(
            [places.REPOSITORY / "board" / "simulate.py", "--broker", broker.url, "--rate", "50"],
            self.folder / "simulate.log",
        )
        self.begin(simulator)
        out, err = self.weir("init", broker.url, "city/#", "--seconds", "5", seconds=60)
        for words in ('city/{', 'speed', '"float"', 'vid', '"string"', '= "ts"', '"ms"'):
            self.assertIn(words, out)
        path = self.config(out)
        self.weir("check", path)


class TheBridgesCommands(CommandLine):
    def test_configuration_errors_are_78_with_place(self):
        path = self.config(
            '[bridge]\nlisten = "127.0.0.1:1"\n[kafka]\nbrokres = "x:1"\n', "bridge.toml"
        )
        code, out, err = run(places.BRIDGE, "check", path)
        self.assertEqual(code, 78, out + err)
        self.assertRegex(out + err, r"bridge\.toml:\d+:\d+")

    def test_enrol_makes_an_authority_and_bundles_that_verify(self):
        folder = self.folder / "pki"
        folder.mkdir()
        code, out, err = run(places.BRIDGE, "enrol", "gate-7", cwd=folder)
        self.assertEqual(code, 0, out + err)
        authority = next(folder.rglob("ca.key")).parent / "ca.pem"
        bundle = next(path for path in folder.rglob("gate-7*") if path.suffix == ".pem")
        code, out, err = run(places.tool("openssl"), "verify", "-CAfile", authority, bundle)
        self.assertEqual(code, 0, out + err)
        code, out, err = run(places.tool("openssl"), "x509", "-noout", "-subject", "-in", bundle)
        self.assertIn("gate-7", out)
        for key in folder.rglob("*.key"):
            self.assertEqual(key.stat().st_mode & 0o077, 0, f"{key} is for its owner only")

    def test_enrol_signs_a_request_and_never_sees_the_key(self):
        folder = self.folder / "pki"
        folder.mkdir()
        run(
            places.tool("openssl"),
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            "/CN=gate-8",
            "-keyout",
            folder / "own.key",
            "-out",
            folder / "own.csr",
        )
        code, out, err = run(
            places.BRIDGE, "enrol", "gate-8", "--csr", folder / "own.csr", cwd=folder
        )
        self.assertEqual(code, 0, out + err)
        self.assertFalse((folder / "gate-8.key").exists())
        self.assertTrue(list(folder.rglob("gate-8.pem")))

    def test_check_says_that_kafka_is_not_there(self):
        bridge = Bridge(self.folder / "bridge", "127.0.0.1:1", self.bridge_files)
        code, out, err = run(places.BRIDGE, "check", bridge.config, seconds=90)
        self.assertEqual(code, 1, out + err)
        self.assertIn("127.0.0.1:1", out + err)


if __name__ == "__main__":
    unittest.main()

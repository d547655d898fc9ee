"""What the agent says over HTTP: metrics that Prometheus' own parser takes, health, and who may ask."""

import http.client
import json
import re
import socket
import unittest

import jsonschema
import openapi_spec_validator
from prometheus_client.parser import text_string_to_metric_families

from weirtest import places
from weirtest.process import free_port, run, wait_until
from weirtest.publish import Listener, Publisher
from weirtest.suite import Suite

START_MS = 1_767_225_600_000
TOKEN = "0123456789abcdef0123"

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
    when = "mean < 20.0 && n > 1"
    clear = "mean > 30.0"
"""


class PageSuite(Suite):
    def begin_agent(self, body=SOURCE, listen="127.0.0.1", token=True, **more):
        self.broker = self.mosquitto()
        self.port = free_port()
        page = f'[page]\nlisten = "{listen}:{self.port}"\n'
        if token:
            (self.folder / "agent").mkdir()
            (self.folder / "agent" / "page.token").write_text(TOKEN + "\n")
            page += 'token_file = "page.token"\n'
        self.agent = self.local_agent(body + "\n" + page, self.broker, **more)

    def ask(self, path, method="GET", headers=None, body=None):
        """(status, headers, body) of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()

    def play(self, means, site="s1", first=0):
        """Three events a window, with this mean; the last window stays open."""
        publisher = Publisher(self.broker.port)
        for window, mean in enumerate(means, first):
            for step in range(3):
                at = START_MS + 10_000 * window + 3000 * step
                publisher.publish(f"city/{site}/loop", {"ts": at, "speed": mean + step - 1})
        publisher.drain()
        publisher.close()

    def metrics(self):
        status, headers, text = self.ask("/metrics")
        self.assertEqual(status, 200)
        self.assertTrue(headers["Content-Type"].startswith("text/plain; version=0.0.4"))
        return text


def samples(text):
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"twice: {key}"
            found[key] = sample.value
    return found


class Metrics(PageSuite):
    def test_prometheus_parser_takes_them_and_they_count(self):
        self.begin_agent()
        self.play([50, 50, 10, 50])

        def counted():
            now = samples(self.metrics())
            events = now[("weir_source_events_total", (("source", "loops"),))]
            return now if events == 12 else None

        now = wait_until(counted, 30, self.metrics)
        self.assertEqual(now[("weir_ingest_messages_total", (("connection", ""),))], 12)
        self.assertEqual(now[("weir_window_results_total", (("window", "ten"),))], 3)
        self.assertEqual(now[("weir_window_late_events_total", (("window", "ten"),))], 0)
        self.assertEqual(now[("weir_alerts_raised", (("alert", "congestion"),))], 1)
        self.assertEqual(now[("weir_clock_trusted", ())], 1)
        self.assertEqual(now[("weir_accounting_ok", ())], 1)
        names = {name for name, _ in now}
        for name in (
            "weir_build_info", "weir_memory_budget_bytes", "weir_memory_used_bytes", "weir_queue_bytes", "weir_flash_written_bytes_total",
        ):  # fmt: skip
            self.assertIn(name, names)
        used, budget = now[("weir_memory_used_bytes", ())], now[("weir_memory_budget_bytes", ())]
        self.assertLessEqual(used, budget)

    def test_names_keep_the_conventions_and_labels_do_not_grow_with_the_keys(self):
        self.begin_agent()
        before = len(samples(self.metrics()))
        for site in range(40):
            self.play([50], site=f"s{site}")
        wait_until(lambda: 'weir_source_events_total{source="loops"} 120' in self.metrics(), 30, self.metrics)
        text = self.metrics()
        # The watermark of a source is not there before its first event.
        self.assertLessEqual(len(samples(text)), before + 1)
        for family in text_string_to_metric_families(text):
            self.assertRegex(family.name, r"^weir_[a-z0-9_]+$")
            self.assertTrue(family.documentation)
            self.assertFalse(family.type == "counter" and family.name.endswith("_total_total"))

    def test_promtool_takes_them(self):
        promtool = places.tool("promtool")
        self.begin_agent()
        code, out, err = run(promtool, "check", "metrics", text=self.metrics())
        self.assertEqual((code, out + err), (0, ""))


class Api(PageSuite):
    """Each path answers as the description says that is served beside it."""

    def described(self):
        description = json.loads(self.ask("/api/v1/openapi.json")[2])
        openapi_spec_validator.validate(description)
        return description

    def check(self, description, path, asked=None):
        status, headers, text = self.ask(asked or path)
        self.assertEqual((status, headers["Content-Type"]), (200, "application/json"), text)
        value = json.loads(text)
        answer = description["paths"][path]["get"]["responses"]["200"]
        schema = answer["content"]["application/json"]["schema"]
        whole = {**schema, "components": description["components"]}
        jsonschema.Draft202012Validator(whole).validate(value)
        return value

    def test_every_path_answers_as_it_is_described(self):
        self.begin_agent()
        description = self.described()
        self.play([50, 50, 10, 50])
        wait_until(lambda: "congestion" in json.dumps(self.recent_alerts()), 30, self.recent_alerts)
        seen = set()
        for path, operations in description["paths"].items():
            if "get" not in operations:
                continue
            content = operations["get"]["responses"]["200"]["content"]
            if "application/json" in content:
                seen.add(path)
                self.check(description, path, path.replace("{window}", "ten"))
            elif "text/plain" in content:
                self.assertEqual(self.ask(path)[0], 200)
        self.assertGreater(len(seen), 12)
        self.assertEqual(self.ask("/api/v1/windows/none")[0], 404)

    def recent_alerts(self):
        return json.loads(self.ask("/api/v1/alerts")[2])["recent"]

    def test_results_are_those_that_were_sent(self):
        self.begin_agent()
        self.play([50, 40, 30, 20])
        self.play([60, 61, 62, 63], site="s2")

        def results():
            found = json.loads(self.ask("/api/v1/windows/ten")[2])["results"]
            return found if len(found) == 6 else None

        found = wait_until(results, 30, lambda: self.ask("/api/v1/windows/ten"))
        means = {(r["key"]["site"], (r["start"] - START_MS) // 10_000): r["values"]["mean"] for r in found}
        expected = {("s1", 0): 50, ("s1", 1): 40, ("s1", 2): 30, ("s2", 0): 60, ("s2", 1): 61, ("s2", 2): 62}
        self.assertEqual(means, expected)
        latest = json.loads(self.ask("/api/v1/windows")[2])["latest"]["ten"]
        self.assertEqual({r["key"]["site"]: r["values"]["mean"] for r in latest}, {"s1": 30, "s2": 62})

        def partitions():
            source = json.loads(self.ask("/api/v1/sources")[2])[0]
            return {p["name"]: p["newest"] - START_MS for p in source["partitions"]}

        wait_until(lambda: partitions() == {"s1": 36_000, "s2": 36_000}, 30, partitions)

    def test_temperatures_come_from_the_board(self):
        zone = self.folder / "sys" / "class" / "thermal" / "thermal_zone0"
        zone.mkdir(parents=True)
        (zone / "temp").write_text("48312\n")
        (zone / "type").write_text("cpu-thermal\n")
        self.begin_agent(environment={"WEIR_SYS_ROOT": str(self.folder / "sys")})
        board = json.loads(self.ask("/api/v1/board")[2])
        self.assertEqual(board, {"temperatures": [{"zone": "cpu-thermal", "celsius": 48.312}]})

    def test_events_tell_of_new_results(self):
        self.begin_agent()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        self.addCleanup(connection.close)
        connection.request("GET", "/api/v1/events")
        stream = connection.getresponse()
        self.assertEqual((stream.status, stream.headers["Content-Type"]), (200, "text/event-stream"))
        description = self.described()
        overview = jsonschema.Draft202012Validator(
            {"$ref": "#/components/schemas/Overview", "components": description["components"]}
        )
        self.play([50, 50])
        kind, results, overviews = None, [], 0
        while not results or overviews < 2:
            line = stream.readline().decode().rstrip("\n")
            if line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("data: ") and kind == "results":
                results += json.loads(line[6:])
            elif line.startswith("data: ") and kind == "overview":
                overview.validate(json.loads(line[6:]))
                overviews += 1
        self.assertEqual([r["values"]["mean"] for r in results], [50])

    def test_more_watchers_than_there_is_room_for_are_turned_away(self):
        self.begin_agent()
        statuses = []
        for _ in range(8):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            self.addCleanup(connection.close)
            connection.request("GET", "/api/v1/events")
            statuses.append(connection.getresponse().status)
        self.assertEqual(statuses, [200] * 6 + [503] * 2)
        self.assertEqual(self.ask("/healthz")[0], 200)


class Acknowledge(PageSuite):
    def open_alerts(self):
        return json.loads(self.ask("/api/v1/alerts")[2])["open"]

    def post(self, path, token=TOKEN, **headers):
        headers["Authorization"] = f"Bearer {token}"
        status, _, text = self.ask(path, "POST", headers)
        return status, json.loads(text)

    def test_what_stands_is_acknowledged_once_and_the_broker_hears_of_it(self):
        self.begin_agent()
        listener = Listener(self.broker.port, "weir/gate-1/alert/#")
        self.addCleanup(listener.close)
        self.play([10, 50])
        wait_until(self.open_alerts, 30, "an open alert")
        self.assertEqual([(a["alert"], a["key"], a["state"]) for a in self.open_alerts()], [("congestion", "s1", "raised")])
        path = "/api/v1/alerts/congestion/ack?key=s1"
        self.assertEqual(self.post(path, "wrong")[0], 401)
        self.assertEqual(self.post(path, Origin="http://evil.example")[0], 403)
        self.assertEqual(self.post("/api/v1/alerts/none/ack")[0], 404)
        self.assertEqual(self.post("/api/v1/alerts/congestion/ack?key=s2")[0], 409)
        self.assertEqual(self.open_alerts()[0]["state"], "raised")
        self.assertEqual(self.post(path)[0], 200)
        wait_until(lambda: self.open_alerts()[0]["state"] == "acknowledged", 30, self.open_alerts)

        def states():
            return [json.loads(payload)["state"] for _, payload, _ in listener.messages]

        wait_until(lambda: "acknowledged" in states(), 30, states)
        self.assertEqual(states(), ["raised", "acknowledged"])


class Health(PageSuite):
    def test_ready_while_the_broker_is_there_and_healthy_without_it(self):
        self.begin_agent()
        self.assertEqual(self.ask("/healthz")[0], 200)
        self.assertEqual(self.ask("/readyz")[0], 200)
        self.broker.kill()
        wait_until(lambda: self.ask("/readyz")[0] == 503, 30, "not ready")
        self.assertIn("the broker is not connected", self.ask("/readyz")[2])
        self.assertEqual(self.ask("/healthz")[0], 200)

    def test_a_port_that_is_taken_is_a_warning(self):
        self.begin_agent()
        self.agent.stop()
        other = socket.create_server(("127.0.0.1", self.port))
        self.addCleanup(other.close)
        self.agent.start()
        self.agent.ready()
        self.assertIn("there is no page and no /metrics", self.agent.text())

    def test_the_plan_counts_it_and_it_keeps_within_the_budget(self):
        self.begin_agent()
        for _ in range(200):
            self.metrics()
        code, out, _ = run(places.WEIR, "plan", self.agent.config)
        self.assertEqual(code, 0)
        planned = [int(n) for n in re.findall(r"^page: .*?(\d+)$", out, re.M)]
        self.assertEqual(len(planned), 2)
        now = samples(self.metrics())
        self.assertLessEqual(now[("weir_memory_used_bytes", ())], now[("weir_memory_budget_bytes", ())])


class Access(PageSuite):
    def test_on_loopback_reading_needs_no_token_and_strange_hosts_are_refused(self):
        self.begin_agent()
        self.assertEqual(self.ask("/metrics")[0], 200)
        self.assertEqual(self.ask("/metrics", headers={"Host": "evil.example"})[0], 421)
        self.assertEqual(self.ask("/metrics", method="POST")[0], 401)
        self.assertEqual(self.ask("/metrics", method="DELETE")[0], 405)
        self.assertEqual(self.ask("/nothing")[0], 404)

    def test_off_loopback_everything_needs_the_token(self):
        self.begin_agent(listen="0.0.0.0")
        for path in ("/", "/metrics", "/healthz", "/nothing"):
            status, headers, _ = self.ask(path)
            self.assertEqual((status, headers["WWW-Authenticate"][:5]), (401, "Basic"))
        self.assertEqual(self.ask("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})[0], 200)
        self.assertEqual(self.ask("/metrics", headers={"Authorization": f"Bearer {TOKEN}x"})[0], 401)

    def test_off_loopback_without_a_token_is_refused(self):
        config = self.folder / "weir.toml"
        config.write_text('[mqtt]\nurl = "mqtt://127.0.0.1"\n' + SOURCE.replace("    ", "") + '[page]\nlisten = "0.0.0.0:8780"\n')
        code, out, err = run(places.WEIR, "check", config)
        self.assertEqual(code, 78)
        self.assertIn("needs a token_file", out + err)


if __name__ == "__main__":
    unittest.main()

"""Publishing at QoS 1, and counting what the broker acknowledged."""

import itertools
import json
import threading
import time

import paho.mqtt.client as mqtt

from .process import wait_until

_numbers = itertools.count(1)


class Publisher:
    """A connection whose publish() waits while too much is under way. drain() ends with all
    acknowledged."""

    WINDOW = 500

    def __init__(self, port, qos=1):
        self.qos = qos
        self.published = 0
        self.acknowledged = 0
        self._room = threading.Semaphore(self.WINDOW)
        self._client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=f"publisher-{next(_numbers)}",
            clean_session=False,
        )
        self._client.max_inflight_messages_set(self.WINDOW)
        self._client.max_queued_messages_set(0)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_publish = self._on_publish
        self._client.connect("127.0.0.1", port, keepalive=60)
        self._client.loop_start()
        wait_until(self._client.is_connected, 20, "the publisher connects")

    def _on_publish(self, client, data, number, code, properties):
        self.acknowledged += 1
        self._room.release()

    def publish(self, topic, payload, retain=False):
        if not isinstance(payload, (str, bytes)):
            payload = json.dumps(payload)
        self._room.acquire()
        self.published += 1
        self._client.publish(topic, payload, self.qos, retain)

    def drain(self, seconds=60):
        wait_until(
            lambda: self.acknowledged == self.published,
            seconds,
            lambda: f"{self.acknowledged} of {self.published} acknowledged",
        )

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()


class Listener:
    """Collects what a topic filter brings, retained messages too: (topic, payload, retained)."""

    def __init__(self, port, topic_filter, session=None):
        """session: the name of a session that the broker keeps, to which this returns by
        itself."""
        self.messages = []
        self._ready = threading.Event()
        self._client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=session or f"listener-{next(_numbers)}",
            clean_session=session is None,
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.on_message = lambda client, data, message: self.messages.append(
            (message.topic, message.payload.decode(errors="replace"), message.retain)
        )
        self._client.on_subscribe = lambda *arguments: self._ready.set()
        self._client.connect("127.0.0.1", port)
        self._client.subscribe(topic_filter, 1)
        self._client.loop_start()
        assert self._ready.wait(20), "no SUBACK"

    def connected(self):
        return self._client.is_connected()

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()


class Load:
    """Numbered events of eight sites on city/SITE/events, one a message, in a thread of its own.

    Event time runs with the numbers, step_ms an event and site, from a fixed moment: which window an event
    belongs to does not depend on when anything happens. close() sends each site an event far ahead
    that closes its windows and, with i < 0, is counted in none.
    """

    SITES = 8
    START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z

    def __init__(self, port, rate, step_ms=20):
        self._step_ms = step_ms
        self.publisher = Publisher(port)
        self.events = []  # (site, ts in ms, i), as published
        self._rate = rate
        self._go = threading.Event()
        self._idle = threading.Event()
        self._end = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._go.set()
        self._thread.start()

    def _run(self):
        begin, sent = time.monotonic(), 0
        while not self._end:
            if not self._go.is_set():
                self._idle.set()
                self._go.wait()
                begin, sent = time.monotonic(), 0
            self._one()
            sent += 1
            ahead = sent / self._rate - (time.monotonic() - begin)
            if ahead > 0.01:
                time.sleep(ahead)
        self._idle.set()

    def topic(self, site):
        return f"city/{site}/events"

    def _one(self):
        i = len(self.events)
        site, ts = f"s{i % self.SITES}", self.START_MS + i // self.SITES * self._step_ms
        self.events.append((site, ts, i))
        self.publisher.publish(self.topic(site), {"ts": ts, "i": i})

    def pause(self):
        """Returns when everything published is acknowledged by the broker."""
        self._idle.clear()
        self._go.clear()
        assert self._idle.wait(60), "the load does not pause"
        self.publisher.drain()

    def resume(self):
        self._go.set()

    def close(self):
        self._end = True
        self._go.set()
        self._thread.join(60)
        self.publisher.drain()
        for site in range(self.SITES):
            self.publisher.publish(
                self.topic(f"s{site}"), {"ts": self.events[-1][1] + 86_400_000, "i": -1}
            )
        self.publisher.drain()
        self.publisher.close()

    SOURCE = """
        [[source]]
        name = "events"
        topics = ["city/{site}/events"]
        columns = { i = "int" }
        time = { field = "ts", unit = "ms", lateness = "1s", idle = "1h" }
        partition = "site"

        [[window]]
        name = "seconds"
        from = "events"
        where = "i >= 0"
        by = ["site"]
        size = "1s"
        select = { n = "count()", total = "sum(i)", first = "first(i)", last = "last(i)" }
    """

    def expected(self):
        """{(site, start in ms): (n, total, first, last)}"""
        windows = {}
        for site, ts, i in self.events:
            windows.setdefault((site, ts // 1000 * 1000), []).append(i)
        return {
            key: (len(numbers), sum(numbers), numbers[0], numbers[-1])
            for key, numbers in windows.items()
        }

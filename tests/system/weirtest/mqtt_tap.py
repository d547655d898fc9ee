"""What really went between a broker and its subscriber: a proxy that passes everything on and reads along.

Of each connection the PUBLISH packets that the broker sent whole, and which of them the subscriber
acknowledged. It knows MQTT 3.1.1 as far as that takes, and shares no code with any client."""

import collections
import threading

from .flaky_proxy import FlakyProxy

PUBLISH, PUBACK = 3, 4

Delivery = collections.namedtuple("Delivery", "connection packet_id dup topic payload")


class _Packets:
    """Bytes in, packets out: (type and flags, content)."""

    def __init__(self):
        self._bytes = bytearray()

    def take(self, part):
        self._bytes += part
        while (packet := self._first()) is not None:
            yield packet

    def _first(self):
        length, shift, at = 0, 0, 1
        while True:
            if at >= len(self._bytes):
                return None
            length |= (self._bytes[at] & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if not self._bytes[at - 1] & 0x80:
                break
        if len(self._bytes) < at + length:
            return None
        packet = (self._bytes[0], bytes(self._bytes[at : at + length]))
        del self._bytes[: at + length]
        return packet


class MqttTap(FlakyProxy):
    """deliveries: in the order in which they came. acknowledged: those of them that were. strays: acknowledgements of
    what this connection was not sent, which the broker may take for those of other messages."""

    def __init__(self, port):
        self.deliveries = []
        self.acknowledged = []
        self.strays = 0
        self._unanswered = {}
        self._packets = {}
        self._tap_lock = threading.Lock()
        super().__init__(port)

    def passed(self, link, from_server, part):
        with self._tap_lock:
            packets = self._packets.setdefault((link, from_server), _Packets())
            for first, content in packets.take(part):
                if from_server and first >> 4 == PUBLISH:
                    self._published(link, first, content)
                elif not from_server and first >> 4 == PUBACK:
                    number = int.from_bytes(content[:2], "big")
                    if (delivery := self._unanswered.pop((link, number), None)) is not None:
                        self.acknowledged.append(delivery)
                    else:
                        self.strays += 1

    def _published(self, link, first, content):
        end = 2 + int.from_bytes(content[:2], "big")
        assert first & 0x06 == 0x02, "QoS 1"
        number = int.from_bytes(content[end : end + 2], "big")
        delivery = Delivery(
            link, number, bool(first & 0x08), content[2:end].decode(), content[end + 2 :]
        )
        self.deliveries.append(delivery)
        self._unanswered[link, number] = delivery

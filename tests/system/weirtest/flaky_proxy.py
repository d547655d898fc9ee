"""A TCP proxy that is as bad as networks are: cuts and resets after n bytes, delays, throttles,
slices, flips bits, holds connections half-open, turns them away."""

import random
import socket
import struct
import threading
import time


class Toxic:
    """What a proxy does to a connection. kind is a key of Toxic.KINDS."""

    KINDS = {
        "cut": "an orderly end after n bytes, of both directions together",
        "reset": "a reset after n bytes",
        "delay": "each piece waits 50 ms",
        "throttle": "4,000 bytes a second",
        "slice": "seven bytes at a time",
        "corrupt": "a bit of byte n is turned over",
        "half_open": "after n bytes nothing passes any more, and nobody is told",
        "turn_away": "accepted, and ended at once",
    }

    def __init__(self, kind, seed=1, most=6000):
        assert kind in Toxic.KINDS
        self.kind = kind
        self._random = random.Random(seed)
        self._most = most

    def draw(self):
        """n, for one connection: from within the handshake to within the traffic."""
        return self._random.randint(1, self._most)


class FlakyProxy:
    """Listens on a port of its own and passes connections on to another, or to the first of several
    that answers; take() puts a toxic on
    connections to come and on those that are, heal() takes it off. effects counts what it did."""

    def __init__(self, port):
        self.target(port)
        self._lock = threading.Lock()
        self._toxic = None
        self._links = set()
        self.effects = 0
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def target(self, port):
        self._to = port if isinstance(port, list) else [port]

    def _connect(self):
        for port in self._to:
            try:
                return socket.create_connection(("127.0.0.1", port), 10)
            except OSError:
                continue
        return None

    def take(self, kind, seed=1):
        with self._lock:
            self.effects = 0
            self._toxic = Toxic(kind, seed)
            for link in self._links:
                link.infect(self._toxic)

    def heal(self, forget_half_open=True):
        """Connections that are half-open are reset, unless the peers are to notice by themselves."""
        with self._lock:
            self._toxic = None
            links = list(self._links)
        for link in links:
            link.heal(forget_half_open)

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for link in list(self._links):
            link.end(reset=True)

    def passed(self, link, from_server, part):
        """For who reads along: bytes of a connection, in either direction, before they are passed on."""

    def affected(self):
        with self._lock:
            self.effects += 1

    def forget(self, link):
        with self._lock:
            self._links.discard(link)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                number, toxic = self.connections, self._toxic
            if toxic and toxic.kind == "turn_away":
                client.close()
                self.affected()
                continue
            server = self._connect()
            if server is None:
                client.close()
                continue
            link = _Link(self, number, client, server, toxic)
            with self._lock:
                self._links.add(link)
            link.start()


class _Link:
    def __init__(self, proxy, number, client, server, toxic):
        self._proxy = proxy
        self._number = number
        self._sockets = (client, server)
        self._lock = threading.Lock()
        self._toxic = None
        self._left = 0
        self._stalled = False
        if toxic:
            self.infect(toxic)

    def start(self):
        client, server = self._sockets
        for source, target in ((client, server), (server, client)):
            source.settimeout(None)
            threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def infect(self, toxic):
        if toxic.kind == "turn_away":
            threading.Thread(target=self.end, daemon=True).start()
            return
        with self._lock:
            self._toxic, self._left = toxic, toxic.draw()

    def heal(self, forget_half_open):
        with self._lock:
            self._toxic = None
            stalled = self._stalled
        if not stalled:
            return
        if forget_half_open:
            self.end(reset=True)

    def end(self, reset=False):
        for side in self._sockets:
            try:
                if reset:
                    side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    side.close()
                    continue
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            side.close()
        self._proxy.forget(self)

    def _pump(self, source, target):
        try:
            while part := source.recv(16384):
                self._proxy.passed(self._number, source is self._sockets[1], part)
                if not self._pass(part, target):
                    return
            target.shutdown(socket.SHUT_WR)
            # The other direction goes on until its own end.
        except OSError:
            self.end()

    def _pass(self, part, target):
        """False: nothing more of this connection is passed on."""
        with self._lock:
            if self._stalled:
                return False
            toxic = self._toxic
            kind = toxic.kind if toxic else None
            reached = kind in ("cut", "reset", "corrupt", "half_open") and len(part) >= self._left
            at = self._left
            if kind and not reached:
                self._left -= len(part)
            if reached and kind == "corrupt":
                self._left = toxic.draw()
            if reached and kind == "half_open":
                self._stalled = True
        if not kind:
            target.sendall(part)
            return True
        if kind == "delay":
            time.sleep(0.05)
            target.sendall(part)
        elif kind == "throttle":
            for i in range(0, len(part), 400):
                target.sendall(part[i : i + 400])
                time.sleep(len(part[i : i + 400]) / 4000 if self._toxic else 0)
        elif kind == "slice":
            target.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(0, len(part), 7):
                target.sendall(part[i : i + 7])
        elif not reached:
            target.sendall(part)
            return True
        elif kind == "corrupt":
            turned = bytes([part[at - 1] ^ 0x10])
            target.sendall(part[: at - 1] + turned + part[at:])
        else:
            target.sendall(part[:at])
            if kind != "half_open":
                self.end(reset=kind == "reset")
        self._proxy.affected()
        return kind not in ("cut", "reset", "half_open")

"""TLS peers that misbehave, on Python's OpenSSL with its scruples switched off: what the standard
command-line tools and Weir itself refuse to do. They count the bytes of the application they get."""

import socket
import ssl
import struct
import threading
import warnings


TLS_1_0, TLS_1_1 = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1


def _careless(context, version):
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = version or TLS_1_0
        if version:
            context.maximum_version = version
    return context


class BadServer:
    """Listens in a thread; each peer gets a handshake, and what it then says is counted.

    plain: bytes to answer with instead of TLS. cut: ends after so many bytes of its own handshake.
    """

    def __init__(self, certificate=None, key=None, ca=None, version=None, plain=None, cut=None):
        self.attempts = 0
        self.handshakes = 0
        self.application = bytearray()
        self._plain, self._cut = plain, cut
        if certificate:
            self._context = _careless(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), version)
            self._context.load_cert_chain(certificate, key)
            if ca:
                self._context.load_verify_locations(ca)
                self._context.verify_mode = ssl.CERT_OPTIONAL
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self.attempts += 1
            with peer:
                peer.settimeout(10)
                try:
                    self._serve(peer)
                except (OSError, ssl.SSLError):
                    pass

    def _serve(self, peer):
        if self._plain is not None:
            peer.sendall(self._plain)
            while part := peer.recv(4096):
                self.application += part
            return
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = self._context.wrap_bio(incoming, outgoing, server_side=True)
        sent, shaken = 0, False
        while True:
            failure = None
            try:
                if not shaken:
                    session.do_handshake()
                    shaken = True
                    self.handshakes += 1
                part = session.read(4096)
                if not part:
                    return
                self.application += part
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                failure = error  # its alert is said first
            answer = outgoing.read()
            if self._cut is not None:
                answer = answer[: max(0, self._cut - sent)]
            peer.sendall(answer)
            sent += len(answer)
            if failure or (self._cut is not None and sent >= self._cut):
                return
            part = peer.recv(65536)
            if not part:
                return
            incoming.write(part)

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(15)


class BadClient:
    """One connection to a bridge, from an address of its own so that its line in the log is known."""

    _hosts = iter(range(2, 250))

    def __init__(self, port, certificate=None, key=None, version=None, host=None):
        self.host = host or f"127.0.0.{next(BadClient._hosts)}"
        self.application = b""
        self.refused = None
        self._context = _careless(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), version)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        if certificate:
            self._context.load_cert_chain(certificate, key)
        self._port = port

    def _connect(self):
        return socket.create_connection(("127.0.0.1", self._port), 10, (self.host, 0))

    def talk(self, *frames):
        """Shakes hands, sends, and reads to the end; refused says why it could not."""
        with self._connect() as peer:
            try:
                with self._context.wrap_socket(peer) as session:
                    for frame in frames:
                        session.sendall(frame)
                    while part := session.recv(4096):
                        self.application += part
            except (OSError, ssl.SSLError) as error:
                self.refused = str(error)
        return self

    def greet_and_leave(self, *frames):
        """Like talk, but goes after the first answer."""
        with self._connect() as peer, self._context.wrap_socket(peer) as session:
            for frame in frames:
                session.sendall(frame)
            self.application += session.recv(4096)
        return self

    def send_plainly(self, data):
        """No TLS of its own: data as it is, and what comes back."""
        with self._connect() as peer:
            try:
                peer.sendall(data)
                peer.shutdown(socket.SHUT_WR)
                while part := peer.recv(4096):
                    self.application += part
            except OSError as error:
                self.refused = str(error)
        return self


class Tap:
    """Passes one connection on to a port, and keeps what the client sent."""

    def __init__(self, port, into):
        self._to = port
        self._into = into
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._thread.join(15)
        self._listener.close()

    def _run(self):
        peer, _ = self._listener.accept()
        with peer, socket.create_connection(("127.0.0.1", self._to), 10) as bridge:
            back = threading.Thread(target=self._pump, args=(bridge, peer, None), daemon=True)
            back.start()
            self._pump(peer, bridge, self._into)
            back.join(15)

    @staticmethod
    def _pump(source, target, into):
        try:
            while part := source.recv(65536):
                if into is not None:
                    into.extend(part)
                target.sendall(part)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def hello(agent, incarnation=b"\x17" * 16):
    """A greeting as wire.proto has it, written by hand."""

    def field(number, data):
        return bytes([number << 3 | 2, len(data)]) + data

    body = b"\x08\x01" + field(2, agent.encode()) + field(3, incarnation) + b"\x20\x01"
    frame = field(1, body)
    return struct.pack(">I", len(frame)) + frame



"""The little of the NATS client protocol that a worker needs, over a plain socket. Standard library only, no TLS.

https://docs.nats.io/reference/reference-protocols/nats-protocol
"""
import contextlib
import json
import socket
import sys
import threading
import urllib.parse
import uuid
from concurrent.futures import Future

RECONNECT_SECONDS = 0.25
SILENT_SECONDS = 180  # a server pings every 2 minutes: one that is silent for longer is gone


class NatsConnection:
    """A connection that comes back by itself. What waits for an answer when it breaks fails with ConnectionError."""

    def __init__(self, url):
        self._url = urllib.parse.urlsplit(url)
        self._inbox = f"_INBOX.{uuid.uuid4().hex}"
        self._lock = threading.Lock()  # of writing and of what waits
        self._waiting = {}  # reply subject -> Future
        self._socket = None
        self._closed = threading.Event()
        threading.Thread(target=self._run, daemon=True, name="nats").start()

    def request(self, subject, value, timeout):
        """Sends JSON and waits for the answer: (headers, value). Raises ConnectionError or TimeoutError."""
        reply, answer = f"{self._inbox}.{uuid.uuid4().hex}", Future()
        with self._lock:
            if self._socket is None:
                raise ConnectionError("not connected")
            body = json.dumps(value).encode()
            self._waiting[reply] = answer
            self._publish(subject, reply, body)
        try:
            return answer.result(timeout)
        finally:
            with self._lock:
                self._waiting.pop(reply, None)

    def close(self):
        self._closed.set()
        with self._lock:
            self._drop()

    def _drop(self):
        if self._socket is not None:
            with contextlib.suppress(OSError):  # it is broken already
                self._socket.shutdown(socket.SHUT_RDWR)

    def _publish(self, subject, reply, body):
        headers = b"NATS/1.0\r\nContent-Type: application/json\r\n\r\n"
        sizes = f"{len(headers)} {len(headers) + len(body)}"
        try:
            self._socket.sendall(f"HPUB {subject} {reply} {sizes}\r\n".encode() + headers + body + b"\r\n")
        except OSError:
            # Half a message may be out: nothing more can be said on this connection.
            self._drop()
            raise

    def _run(self):
        while not self._closed.is_set():
            try:
                self._serve()
            except (OSError, ValueError):
                pass  # the broker is away; whoever waits is told, and we try again
            with self._lock:
                broken, self._waiting, self._socket = self._waiting, {}, None
            for answer in broken.values():
                answer.set_exception(ConnectionError("the connection broke"))
            self._closed.wait(RECONNECT_SECONDS)

    def _serve(self):
        with socket.create_connection((self._url.hostname, self._url.port or 4222), timeout=5) as opened:
            opened.settimeout(SILENT_SECONDS)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = opened.makefile("rb")
            stream.readline()  # INFO
            options = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, "lang": "python"}
            if self._url.username:
                options.update(user=urllib.parse.unquote(self._url.username))
                options.update({"pass": urllib.parse.unquote(self._url.password or "")})
            opened.sendall(f"CONNECT {json.dumps(options)}\r\nSUB {self._inbox}.* 1\r\nPING\r\n".encode())
            for line in iter(stream.readline, b""):
                self._take(line.split(), stream, opened)

    def _take(self, words, stream, opened):
        verb = words[0].upper() if words else b""
        if verb == b"PING":
            with self._lock:
                opened.sendall(b"PONG\r\n")
        elif verb == b"PONG":  # the answer to our first PING: the server knows our inbox
            with self._lock:
                self._socket = opened
        elif verb == b"-ERR":
            print("nats:", b" ".join(words[1:]).decode(), file=sys.stderr)
        elif verb in (b"MSG", b"HMSG"):  # MSG subject sid [reply] size; HMSG subject sid [reply] header-size size
            payload = stream.read(int(words[-1]))
            stream.read(2)
            head = int(words[-2]) if verb == b"HMSG" else 0
            self._answer(words[1].decode(), payload[:head].decode(), payload[head:])

    def _answer(self, subject, head, body):
        with self._lock:
            answer = self._waiting.pop(subject, None)
        if answer is None:
            return
        first, *lines = head.split("\r\n")
        headers = dict(line.split(": ", 1) if ": " in line else line.split(":", 1) for line in lines if ":" in line)
        if first.startswith("NATS/1.0 503"):
            answer.set_exception(ConnectionError("nobody serves this subject at the moment"))
        else:
            answer.set_result((headers, json.loads(body or b"{}")))

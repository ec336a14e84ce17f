"""An HTTP proxy between a client and Azurite that injects faults of networks and busy services into some requests."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from tests.fakes.loopback import loopback_server, serving_in_thread

Kind = Literal[
    "reset",  # the connection is reset before the service sees the request
    "lost answer",  # the service has processed the request, then the connection is reset
    "throttled",  # 429 with Retry-After
    "busy",  # 503
    "broken",  # 500
    "denied",  # 403
    "slow",  # the service has processed the request, its response is delayed by ``seconds``
    "cut",  # half the body, then the connection is closed
    "wrong length",  # half the body, with the Content-Length of this half
    "damaged",  # one byte of the request body is changed in transit
]
_ANSWERS = {
    "throttled": (429, "Too Many Requests", "TooManyRequests"),
    "busy": (503, "Service Unavailable", "ServerBusy"),
    "broken": (500, "Internal Server Error", "InternalError"),
    "denied": (403, "Forbidden", "AuthorizationPermissionMismatch"),
}


@dataclass
class Fault:
    """A fault, and the requests that it affects.

    Args:
        kind: of the fault.
        method: of the requests.
        path: regular expression, searched in path and query.
        skip: number of matching requests that are not affected at first.
        times: number of requests that are affected; None: all.
        seconds: Retry-After, or the delay.
    """

    kind: Kind
    method: str
    path: str = ""
    skip: int = 0
    times: int | None = 1
    seconds: float = 0.0
    hits: int = field(default=0, init=False)
    _seen: int = field(default=0, init=False)

    def affects(self, method: str, target: str) -> bool:
        """Whether the fault affects this request; counts matching requests."""
        if method != self.method or not re.search(self.path, target):
            return False
        self._seen += 1
        hit = self._seen > self.skip and (self.times is None or self.hits < self.times)
        self.hits += hit
        return hit


class FaultProxy:
    """A proxy on loopback. Use ``running``.

    Args:
        port: of the service.

    Attributes:
        faults: may be changed at any time.
        requests: method, target and outcome of each request: a status or the kind of a fault.
    """

    def __init__(self, port: int) -> None:
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str, str]] = []
        self._target = port
        self._lock = threading.Lock()
        proxy = self

        class Handler(socketserver.StreamRequestHandler):
            disable_nagle_algorithm = True

            def handle(self) -> None:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    proxy._serve(self)

        self._server = loopback_server(Handler)
        self.port = int(self._server.server_address[1])

    @contextlib.contextmanager
    def running(self) -> Iterator[FaultProxy]:
        with serving_in_thread(self._server):
            yield self

    def count(self, method: str, path: str = "") -> int:
        """Number of matching requests."""
        return sum(m == method and re.search(path, target) is not None for m, target, _ in list(self.requests))

    def _serve(self, client: socketserver.StreamRequestHandler) -> None:
        service = http.client.HTTPConnection("127.0.0.1", self._target, timeout=60)
        with contextlib.closing(service):
            while line := client.rfile.readline():
                method, target, _ = line.decode("latin-1").split(" ", 2)
                headers = http.client.parse_headers(client.rfile)
                body = client.rfile.read(int(headers.get("Content-Length") or 0))
                with self._lock:
                    fault = next((f for f in self.faults if f.affects(method, target)), None)
                kind = fault.kind if fault else ""
                if kind == "reset":
                    self._note(method, target, kind)
                    return _reset(client)
                if fault is not None and kind in _ANSWERS:
                    self._note(method, target, kind)
                    client.wfile.write(_refusal(kind, fault.seconds, method))
                    continue
                if kind == "damaged":
                    body = bytes([body[0] ^ 1]) + body[1:]
                service.request(method, target, body or None, dict(headers.items()))
                answer = service.getresponse()
                content = answer.read()
                self._note(method, target, kind or str(answer.status))
                if kind == "lost answer":
                    return _reset(client)
                if fault is not None and kind == "slow":
                    time.sleep(fault.seconds)
                if not _forward(client, answer, content, method, kind):
                    return None
        return None

    def _note(self, method: str, target: str, what: str) -> None:
        with self._lock:
            self.requests.append((method, target, what))


def _forward(
    client: socketserver.StreamRequestHandler, answer: http.client.HTTPResponse, content: bytes, method: str, kind: str
) -> bool:
    """Write the response; False if this has closed the connection."""
    half = len(content) // 2
    length = half if kind == "wrong length" else len(content)
    names = {"content-length", "transfer-encoding", "connection", "keep-alive"}
    lines = [f"HTTP/1.1 {answer.status} {answer.reason}"]
    lines += [f"{name}: {value}" for name, value in answer.getheaders() if name.lower() not in names]
    if method == "HEAD":
        lines += [f"Content-Length: {answer.getheader('Content-Length', '0')}"]
    else:
        lines += [f"Content-Length: {length}"]
    sent = content[:half] if kind in {"cut", "wrong length"} else content
    client.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1") + sent)
    return kind != "cut"


def _refusal(kind: str, seconds: float, method: str) -> bytes:
    status, reason, code = _ANSWERS[kind]
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{reason}</Message></Error>'
    lines = [
        f"HTTP/1.1 {status} {reason}",
        "Content-Type: application/xml",
        f"x-ms-error-code: {code}",
        "x-ms-request-id: 00000000-0000-0000-0000-000000000007",
        f"Content-Length: {len(body)}",
        *([f"Retry-After: {seconds:.0f}"] if seconds else []),
    ]
    return "\r\n".join([*lines, "", "" if method == "HEAD" else body]).encode()


def _reset(client: socketserver.StreamRequestHandler) -> None:
    """End the connection with RST."""
    client.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.rfile.close()
    client.wfile.close()
    client.connection.close()

"""Packets of the TDS protocol over a socket, with TLS.

Source: [MS-TDS] "Tabular Data Stream Protocol", section 2.2.3.
"""

from __future__ import annotations

import socket
import ssl
import struct

BATCH, ANSWER, ATTENTION, TRANSACTION, LOGIN, PRELOGIN = 1, 4, 6, 14, 16, 18
PACKET = 4096


class ConnectionLost(Exception):
    """Raised by a session to close the connection without a response."""


class Wire:
    """Packets over a socket; TLS is handled explicitly, since TDS 7.4 wraps the handshake in packets."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(120)
        self._socket = connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None

    def is_tls(self) -> bool:
        return self._socket.recv(1, socket.MSG_PEEK) == b"\x16"

    def start_tls(self, context: ssl.SSLContext, *, framed: bool) -> None:
        tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._flush(framed)
                self._incoming.write(self.read()[1] if framed else self._receive())
        self._flush(framed)
        self._tls = tls

    def read(self) -> tuple[int, bytes]:
        """The type and body of the next message."""
        body = b""
        while True:
            kind, status, length = struct.unpack(">BBH", self._exactly(8)[:4])
            body += self._exactly(length - 8)
            if status & 1:
                return kind, body

    def write(self, body: bytes, kind: int) -> None:
        """A message, in packets."""
        pieces = [body[i : i + PACKET - 8] for i in range(0, len(body), PACKET - 8)] or [b""]
        for number, piece in enumerate(pieces, 1):
            header = struct.pack(">BBHHBB", kind, number == len(pieces), len(piece) + 8, 0, number % 256, 0)
            if self._tls is None:
                self._socket.sendall(header + piece)
            else:
                self._tls.write(header + piece)
                self._flush(framed=False)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += self._some(count - len(data))
        return data

    def _some(self, count: int) -> bytes:
        if self._tls is None:
            received = self._socket.recv(count)
        else:
            while True:
                try:
                    received = self._tls.read(count)
                    break
                except ssl.SSLWantReadError:
                    self._incoming.write(self._receive())
        if not received:
            raise EOFError
        return received

    def _receive(self) -> bytes:
        received = self._socket.recv(1 << 16)
        if not received:
            raise EOFError
        return received

    def _flush(self, framed: bool) -> None:
        pending = self._outgoing.read()
        if pending and framed:
            self.write(pending, PRELOGIN)
        elif pending:
            self._socket.sendall(pending)

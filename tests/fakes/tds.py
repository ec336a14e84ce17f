"""A server for the TDS protocol of SQL Server and Synapse drivers: TLS, sign-in by token, batches.

Source: [MS-TDS] "Tabular Data Stream Protocol". Versions 7.4 (TLS inside the first packets) and 8.0 (TLS first,
``Encrypt=strict``). All other requests of a driver are rejected, so that nothing passes by accident.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.fakes import tds_tokens as tokens
from tests.fakes.loopback import loopback_server, serving_in_thread
from tests.fakes.tds_tokens import Result, SqlError
from tests.fakes.tds_wire import ANSWER, ATTENTION, BATCH, LOGIN, PACKET, PRELOGIN, TRANSACTION, ConnectionLost, Wire

_ENCRYPTION, _FEDERATED = 1, 6


class Session(Protocol):
    """Handles the requests of a connection after the sign-in."""

    def batch(self, sql: str) -> Sequence[Result]: ...
    def begin(self) -> None: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def close(self) -> None: ...


class Backend(Protocol):
    """Signs in."""

    def sign_in(self, login: Login) -> Session:
        """Open the session of a login.

        Raises:
            SqlError: the login is rejected.
        """
        ...


@dataclass
class Login:
    """The fields of a LOGIN7 message that the server uses."""

    user: str = ""
    database: str = ""
    token: str | None = None
    features: list[int] = field(default_factory=list)


class TdsServer:
    """Serves on loopback while it is used as a context.

    Args:
        backend: opens the sessions.
        certificate: PEM files of the chain and the key.

    Attributes:
        port: that it listens on.
    """

    def __init__(self, backend: Backend, certificate: tuple[Path, Path]) -> None:
        self.backend = backend
        self.contexts = {strict: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for strict in (False, True)}
        for context in self.contexts.values():
            context.load_cert_chain(*certificate)
        self.contexts[False].maximum_version = ssl.TLSVersion.TLSv1_2  # 7.4 has no message after the handshake
        self.contexts[True].set_alpn_protocols(["tds/8.0"])
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                outer._serve(self.request)

        self._server = loopback_server(Handler)
        self._open: set[socket.socket] = set()
        self.port = int(self._server.server_address[1])

    @contextlib.contextmanager
    def running(self) -> Iterator[TdsServer]:
        with serving_in_thread(self._server):
            try:
                yield self
            finally:
                for connection in list(self._open):
                    with contextlib.suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)

    def _serve(self, connection: socket.socket) -> None:
        self._open.add(connection)
        try:
            with contextlib.suppress(OSError, ConnectionLost, EOFError):
                _Connection(connection, self).talk()
        finally:
            self._open.discard(connection)


class _Connection:
    def __init__(self, connection: socket.socket, server: TdsServer) -> None:
        self._server = server
        self._wire = Wire(connection)
        self._session: Session | None = None
        self._transactions = 0
        self._transaction = b""

    def talk(self) -> None:
        strict = self._wire.is_tls()
        if strict:
            self._wire.start_tls(self._server.contexts[True], framed=False)
        kind, body = self._wire.read()
        if kind != PRELOGIN:
            raise ConnectionLost
        self._wire.write(_prelogin(body, strict), ANSWER)
        if not strict:
            self._wire.start_tls(self._server.contexts[False], framed=True)
        kind, body = self._wire.read()
        if kind != LOGIN or not self._sign_in(body):
            return
        assert self._session is not None
        try:
            while True:
                self._wire.write(self._answer(*self._wire.read()), ANSWER)
        finally:
            self._session.close()

    def _sign_in(self, body: bytes) -> bool:
        login = parse_login(body)
        try:
            self._session = self._server.backend.sign_in(login)
        except SqlError as problem:
            self._wire.write(tokens.error(problem) + tokens.done(tokens.DONE_ERROR), ANSWER)
            return False
        database = login.database or "master"
        self._wire.write(
            tokens.change(tokens.DATABASE, database, "master")
            + tokens.information(5701, f"Changed database context to '{database}'.")
            + tokens.change(tokens.SQL_COLLATION, tokens.COLLATION, b"")
            + tokens.change(tokens.LANGUAGE, "us_english")
            + tokens.information(5703, "Changed language setting to us_english.")
            + tokens.login_acknowledged()
            + tokens.change(tokens.PACKET_SIZE, str(PACKET), str(PACKET))
            + tokens.features_acknowledged(login.features)
            + tokens.done(),
            ANSWER,
        )
        return True

    def _answer(self, kind: int, body: bytes) -> bytes:
        if kind == ATTENTION:
            return tokens.done(tokens.DONE_ATTENTION)
        rest = body[struct.unpack_from("<I", body)[0] :]  # after ALL_HEADERS
        try:
            if kind == TRANSACTION:
                return self._manage_transaction(struct.unpack_from("<H", rest)[0])
            if kind != BATCH:
                raise SqlError(40510, "This kind of request is not supported in this version of SQL Server.")
            assert self._session is not None
            results = self._session.batch(rest.decode("utf-16-le"))
        except SqlError as problem:
            return tokens.error(problem) + tokens.done(tokens.DONE_ERROR)
        return b"".join(tokens.result_set(result) for result in results) or tokens.done()

    def _manage_transaction(self, request: int) -> bytes:
        assert self._session is not None
        if request == 5:
            self._session.begin()
            self._transactions += 1
            self._transaction = struct.pack("<Q", self._transactions)
            return tokens.change(tokens.BEGIN, self._transaction, b"") + tokens.done()
        if request not in (7, 8) or not self._transaction:
            raise SqlError(3902, "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.")
        ended, self._transaction = self._transaction, b""
        if request == 7:
            self._session.commit()
            return tokens.change(tokens.COMMIT, b"", ended) + tokens.done()
        self._session.rollback()
        return tokens.change(tokens.ROLLBACK, b"", ended) + tokens.done()


def _prelogin(body: bytes, strict: bool) -> bytes:
    """The response to PRELOGIN: our version, TLS for everything, federated authentication as the driver requested."""
    requested = {}
    position = 0
    while body[position] != 0xFF:
        option, offset, length = struct.unpack_from(">BHH", body, position)
        requested[option] = body[offset : offset + length]
        position += 5
    # 0x01: encryption is on; under TDS 8.0 it is not negotiated (0x02)
    options = {0: bytes([12, 0, 0x07, 0xD0, 0, 0]), _ENCRYPTION: b"\x02" if strict else b"\x01", 2: b"\x00", 4: b"\x00"}
    if requested.get(_FEDERATED):
        options[_FEDERATED] = requested[_FEDERATED]
    head, data = b"", b""
    for option, value in options.items():
        head += struct.pack(">BHH", option, len(options) * 5 + 1 + len(data), len(value))
        data += value
    return head + b"\xff" + data


def parse_login(body: bytes) -> Login:
    """The LOGIN7 message."""

    def text(position: int) -> str:
        offset, length = struct.unpack_from("<HH", body, position)
        return body[offset : offset + 2 * length].decode("utf-16-le")

    login = Login(user=text(40), database=text(68))
    if not body[27] & 0x10:  # fExtension
        return login
    (pointer,) = struct.unpack_from("<H", body, 56)
    (position,) = struct.unpack_from("<I", body, pointer)
    while body[position] != 0xFF:
        feature, length = struct.unpack_from("<BI", body, position)
        data = body[position + 5 : position + 5 + length]
        login.features.append(feature)
        if feature == 2 and data[0] >> 1 == 1:  # the security token library: the token itself is inside
            (size,) = struct.unpack_from("<I", data, 1)
            login.token = data[5 : 5 + size].decode("utf-16-le")
        position += 5 + length
    return login

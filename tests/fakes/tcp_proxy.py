"""A TCP proxy between a client and PostgreSQL, which a test tells when to cut connections, or to fall silent."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Literal

How = Literal["reset", "closed", "silent"]
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of zero seconds: close() sends RST


class _Pair:
    """One connection of a client, and the one to the server that belongs to it."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.sockets = (client, server)
        self.passes = threading.Event()
        self.passes.set()
        self.open = True

    def pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                self.passes.wait()
                sink.sendall(piece)
        self.close()

    def close(self, how: How = "closed") -> None:
        self.open = False
        self.passes.set()
        for end in self.sockets:
            with contextlib.suppress(OSError):
                if how == "reset":
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.shutdown(socket.SHUT_RD if how == "reset" else socket.SHUT_RDWR)
            end.close()


class TcpProxy:
    """Passes bytes on. Use ``running``.

    Args:
        host, port: of the server.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._pairs: list[_Pair] = []
        self._threads: list[threading.Thread] = []

    @contextlib.contextmanager
    def running(self) -> Iterator[TcpProxy]:
        accepting = threading.Thread(target=self._accept, daemon=True)
        accepting.start()
        try:
            yield self
        finally:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self.cut(how="closed")
            for thread in (accepting, *self._threads):
                thread.join(5)

    @property
    def connections(self) -> int:
        """Number of connections that are open."""
        return sum(pair.open for pair in self._pairs)

    def cut(self, number: int | None = None, how: How = "reset") -> None:
        """End a connection, or let it pass nothing from now on.

        Args:
            number: of the open connection, modulo their number; None: all.
            how: with RST, with FIN, or not at all: it stays open and silent.
        """
        pairs = [pair for pair in self._pairs if pair.open]
        chosen = pairs if number is None or not pairs else [pairs[number % len(pairs)]]
        for pair in chosen:
            if how == "silent":
                pair.passes.clear()
            else:
                pair.close(how)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self._target)
                except OSError:  # the server is down: its clients are refused as well
                    client.close()
                    continue
                pair = _Pair(client, server)
                self._pairs.append(pair)
                for ends in ((client, server), (server, client)):
                    thread = threading.Thread(target=pair.pump, args=ends, daemon=True)
                    thread.start()
                    self._threads.append(thread)

"""An HTTP proxy (CONNECT, RFC 9110 section 9.3.6) that connects Azure's host names to the fakes.

Most clients honour ``HTTPS_PROXY``, so the product runs unmodified: real names, TLS from end to end. Other hosts are
refused and recorded, so that a test can assert that no other host was contacted.
"""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections import Counter
from collections.abc import Iterator

from tests.fakes.loopback import loopback_server, serving_in_thread

_PIECE = 1 << 16


class Tunnel:
    """A proxy on loopback. Use ``running``.

    Args:
        ports: host name -> port on loopback.

    Attributes:
        connections: host name -> number of requested connections, including refused ones.
        unreachable: hosts that are currently unreachable (may be changed at any time).
        refused: requested host names that have no fake.
    """

    def __init__(self, ports: dict[str, int]) -> None:
        self.ports = ports
        self.connections: Counter[str] = Counter()
        self.unreachable: set[str] = set()
        self.refused: set[str] = set()
        tunnel = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    tunnel._connect(self)

        self._server = loopback_server(Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextlib.contextmanager
    def running(self) -> Iterator[Tunnel]:
        with serving_in_thread(self._server):
            yield self

    def _connect(self, client: socketserver.StreamRequestHandler) -> None:
        method, target, _ = client.rfile.readline().decode("ascii").split(" ", 2)
        while client.rfile.readline().strip():
            pass
        host = target.rpartition(":")[0].lower()
        self.connections[host] += 1
        port = self.ports.get(host)
        if method != "CONNECT" or port is None:
            self.refused.add(host if method == "CONNECT" else target)
            client.wfile.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            return
        if host in self.unreachable:
            client.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", port)) as service:
            client.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(service, client.connection), daemon=True)
            back.start()
            _pump(client.connection, service)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Copy bytes until one side ends, then end the other."""
    try:
        while piece := source.recv(_PIECE):
            target.sendall(piece)
    except OSError:
        pass
    finally:
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

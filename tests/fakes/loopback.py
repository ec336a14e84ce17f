"""Socket servers of the fakes, each in a thread of the test's process."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Iterator


def loopback_server(handler: type[socketserver.BaseRequestHandler]) -> socketserver.ThreadingTCPServer:
    """A server at a free port of 127.0.0.1, with a thread per connection."""
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    return server


@contextlib.contextmanager
def serving_in_thread(server: socketserver.BaseServer) -> Iterator[None]:
    """Serve until the block ends."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

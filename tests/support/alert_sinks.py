"""Receivers of alerts: a real SMTP server, and a web server that keeps what is posted to it."""

from __future__ import annotations

import contextlib
import email
import email.policy
import http.server
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import SMTP, Envelope, Session

from cli.postgres.embedded import free_port
from tests.fakes.loopback import serving_in_thread


@dataclass
class WebSink:
    """What was posted, and the address to post to."""

    url: str
    posts: list[tuple[str, Any]] = field(default_factory=list)


@contextlib.contextmanager
def web_sink(status: int = 200) -> Iterator[WebSink]:
    """A web server that answers each POST with this status."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sink.posts.append((self.path, json.loads(body)))
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sink = WebSink(f"http://127.0.0.1:{server.server_port}")
    with serving_in_thread(server):
        yield sink


class _Mailbox(Sink):
    def __init__(self) -> None:
        super().__init__()
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        data = content.encode() if isinstance(content, str) else content or b""
        self.mails.append(email.message_from_bytes(data, policy=email.policy.default))
        return "250 OK"


@contextlib.contextmanager
def smtp_sink() -> Iterator[tuple[int, list[EmailMessage]]]:
    """Port of an SMTP server, and the mails that it gets."""
    mailbox = _Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield controller.port, mailbox.mails
    finally:
        controller.stop()

"""Base class of the fakes of Azure's web services."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Host, Route
from starlette.types import ASGIApp

from tests.support.waiting import LIMIT_SECONDS

Answer = Callable[[Request], Response]


class WebService:
    """A fake of one web service.

    A subclass returns its routes as ``{"GET /path/{parameter}": method}``. Each runs in a thread of its own.

    Args:
        host: the service's real host name.

    Attributes:
        requests: number of requests per route; requests without a route are counted as ``unknown <METHOD> <path>``.
        faults: route -> responses to return instead of the real one, first in first out; a function is called.
        losses: route -> responses to return after the request has taken effect.
        seen: text of each request without its Authorization header, to search for secrets.
        takes_secrets: bodies contain secrets by design (Entra ID), and are not kept.
    """

    takes_secrets = False

    def __init__(self, host: str) -> None:
        self.host = host
        self.requests: Counter[str] = Counter()
        self.seen: list[str] = []
        self.faults: dict[str, list[Response | Callable[[], Response]]] = {}
        self.losses: dict[str, list[Response]] = {}
        self.app: ASGIApp = Starlette(
            routes=[
                Route(name.split(" ", 1)[1], self._counted(name, answer), methods=[name.split(" ", 1)[0]])
                for name, answer in self.routes().items()
            ],
            exception_handlers={HTTPException: self._refused},
        )

    def routes(self) -> Mapping[str, Answer]:
        """The service's routes."""
        raise NotImplementedError

    def error(self, status: int, message: str) -> Response:
        """An error response in the service's format."""
        return JSONResponse({"error": {"code": str(status), "message": message}}, status)

    def fail(self, route: str, *answers: Response | Callable[[], Response]) -> None:
        """Replace the next responses of a route."""
        self.faults.setdefault(route, []).extend(answers)

    def _counted(self, name: str, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            self.requests[name] += 1
            body = await request.body()  # kept in the request: a thread may ask for it again
            self._note(request, b"" if self.takes_secrets else body)
            if self.faults.get(name):
                fault = self.faults[name].pop(0)
                return fault if isinstance(fault, Response) else fault()
            request.scope["midnight.body"] = body
            answered = await run_in_threadpool(answer, request)
            return self.losses[name].pop(0) if self.losses.get(name) else answered

        return endpoint

    def _note(self, request: Request, body: bytes = b"") -> None:
        headers = {name: value for name, value in request.headers.items() if name != "authorization"}
        self.seen.append(f"{request.method} {request.url} {headers} {body[:65536].decode(errors='replace')}")

    async def _refused(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code in (404, 405) and error.detail in ("Not Found", "Method Not Allowed"):
            self.requests[f"unknown {request.method} {request.url.path}"] += 1
            self._note(request)
        response = self.error(error.status_code, error.detail)
        response.headers.update(error.headers or {})
        return response


def body_of(request: Request) -> bytes:
    """The request's body, in a synchronous method of a ``WebService``."""
    return request.scope["midnight.body"]


def json_of(request: Request) -> Any:
    """The request's JSON document, in a synchronous method of a ``WebService``; 400 when it is invalid."""
    try:
        return json.loads(body_of(request))
    except ValueError as error:
        raise HTTPException(400, f"invalid JSON document: {error}") from error


@contextlib.contextmanager
def serving(services: list[WebService], certificate: tuple[Path, Path]) -> Iterator[int]:
    """Serve all services at one TLS port, selected by the Host header; yields the port."""
    app = Starlette(routes=[Host(service.host, service.app) for service in services])
    chain, key = certificate
    config = uvicorn.Config(app, ssl_certfile=chain, ssl_keyfile=key, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            deadline = time.monotonic() + LIMIT_SECONDS
            while not server.started:
                assert thread.is_alive(), "the fakes ended"
                assert time.monotonic() < deadline, "the fakes do not start"
                time.sleep(0.01)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = server.force_exit = True  # clients keep their connections open
            thread.join()

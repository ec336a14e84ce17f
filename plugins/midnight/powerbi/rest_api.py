"""Requests to the REST APIs of Fabric and Power BI: sign-in, throttling, long-running operations, hints.

Sources: "Long running operations" and "Throttling" (Microsoft Fabric REST API), "Using the Power BI REST APIs".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from midnight.errors import ReportPublicationError, first_line
from midnight.retry import RetryPolicy

if TYPE_CHECKING:
    import httpx
    from azure.core.credentials import TokenCredential

FABRIC = "https://api.fabric.microsoft.com/v1"
POWER_BI = "https://api.powerbi.com/v1.0/myorg"
_SCOPES = {
    FABRIC: "https://api.fabric.microsoft.com/.default",
    POWER_BI: "https://analysis.windows.net/powerbi/api/.default",
}
TIMEOUT_SECONDS = 60
OPERATION_SECONDS = 900
_RETRIES = RetryPolicy(timeout=300, initial_backoff=2, max_backoff=60)
_POLLING_SECONDS = 2
_TRANSIENT = (408, 429, 500, 502, 503, 504)
# A change may have taken effect in spite of an error: only these statuses exclude that.
_REFUSED_FOR_NOW = (429, 503)
_HINTS = {
    401: "allow service principals to use the Fabric APIs (tenant setting), or sign in again",
    403: "make {who} a Contributor of the workspace, and allow it to use the Fabric APIs (tenant setting)",
    404: "correct the id or name of the workspace, and make {who} a Contributor of it",
    429: "the service is throttling: run the command again later",
}


class ApiError(ReportPublicationError):
    """The service refused a request.

    Args:
        message: error message.
        status: HTTP status; 200 for a long-running operation that failed.
        code: the service's error code, for example ``ItemDisplayNameAlreadyInUse``.
        retry_after: seconds that the service asks to wait before the next attempt.
    """

    def __init__(self, message: str, status: int, code: str, retry_after: float = 0.0) -> None:
        self.status, self.code, self.retry_after = status, code, retry_after
        super().__init__(message)


@dataclass
class RestApi:
    """Client of both services, for one identity.

    Args:
        credential: from azure-identity, which caches its tokens.
        who: name of the identity, for messages.
        sleep: function that waits a number of seconds.
        log: called with each line of progress.
    """

    credential: TokenCredential
    who: str
    sleep: Callable[[float], None] = time.sleep
    log: Callable[[str], None] = lambda line: None

    @cached_property
    def _client(self) -> httpx.Client:
        """Keeps its connections open until the process ends."""
        import httpx

        return httpx.Client(timeout=TIMEOUT_SECONDS)

    def token(self, service: str = POWER_BI) -> str:
        """A bearer token.

        Raises:
            ReportPublicationError: Entra ID issued none.
        """
        from azure.core.exceptions import AzureError

        try:
            return self.credential.get_token(_SCOPES[service]).token
        except AzureError as error:
            raise ReportPublicationError(
                f"{self.who} could not sign in: {first_line(error)}; hint: correct its client secret, or az login"
            ) from None

    def get(self, url: str) -> Any:
        """Read the JSON document at a URL of one of the services."""
        return self._send("GET", url).json()

    def pages(self, url: str) -> Iterator[dict[str, Any]]:
        """All entries of a list, from all of its pages ("Pagination", Fabric REST API)."""
        following: str | None = url
        while following:
            document = self.get(following)
            yield from document.get("value") or ()
            following = document.get("continuationUri")

    def change(self, method: str, url: str, body: Any = None) -> Any:
        """Send a change, wait until it has completed, and return its document; None without one.

        Raises:
            ApiError: the service refused the request, or the operation failed.
            ReportPublicationError: no response, or the operation did not end in time.
        """
        response = self._send(method, url, body)
        if response.status_code == 202 and response.headers.get("Location"):
            return self._wait(response)
        return response.json() if response.content else None

    def _wait(self, response: Any) -> Any:
        """Follow a long-running operation: its state is at ``Location``, and then its result."""
        deadline = time.monotonic() + OPERATION_SECONDS
        while True:
            location, pause = response.headers.get("Location"), _seconds(response, _POLLING_SECONDS)
            if time.monotonic() + pause > deadline:
                operation = response.headers.get("x-ms-operation-id", location)
                raise ReportPublicationError(
                    f"operation {operation} did not end within {OPERATION_SECONDS} s; hint: run the command again"
                )
            self.sleep(pause)
            response = self._send("GET", location)
            state = response.json()
            if state.get("status") == "Failed":
                error = state.get("error") or {}
                raise ApiError(f"the operation failed: {_describe(error)}", 200, str(error.get("errorCode")))
            if state.get("status") == "Succeeded":
                result = response.headers.get("Location", "")
                return self.get(result) if result.endswith("/result") else None
            response.headers.setdefault("Location", location)

    def _send(self, method: str, url: str, body: Any = None) -> Any:
        service = FABRIC if url.startswith("https://api.fabric.microsoft.com/") else POWER_BI
        transient = _TRANSIENT if method == "GET" else _REFUSED_FOR_NOW

        def retry_after(error: Exception) -> float | None:
            return error.retry_after if isinstance(error, ApiError) and error.status in transient else None

        def log_retry(error: Exception, _: int, wait: float) -> None:
            self.log(f"{getattr(error, 'status', '')} from {service}: repeated in {wait:.0f} s")

        return _RETRIES.call(
            lambda: self._send_once(method, url, service, body), retry_after, on_retry=log_retry, sleep=self.sleep
        )

    def _send_once(self, method: str, url: str, service: str, body: Any) -> Any:
        import httpx

        headers = {"Authorization": f"Bearer {self.token(service)}"}
        try:
            response = self._client.request(method, url, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise ReportPublicationError(
                f"{method} {url} got no response ({type(error).__name__}); hint: check the network and the proxy, "
                "then run the command again: existing items are updated"
            ) from None
        if response.status_code >= 400:
            raise self._error(method, url, response)
        return response

    def _error(self, method: str, url: str, response: Any) -> ApiError:
        try:
            document = response.json()
        except ValueError:
            document = {}
        document = document.get("error", document) if isinstance(document, dict) else {}
        code = str(document.get("errorCode") or document.get("code") or "")
        hint = _HINTS.get(response.status_code, "fix the cause, then run the command again")
        return ApiError(
            f"{method} {url} was refused ({response.status_code}): {_describe(document) or response.reason_phrase}; "
            f"hint: {hint.format(who=self.who)}",
            response.status_code,
            code,
            _seconds(response, 0.0),
        )


def _seconds(response: Any, otherwise: float) -> float:
    """Seconds in ``Retry-After`` of a response."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else otherwise


def _describe(error: Any) -> str:
    """Code, message and details of an error document of either service."""
    details = error.get("moreDetails") or error.get("details") or ()
    parts = [error.get("errorCode") or error.get("code"), error.get("message")]
    parts += [detail.get("message") for detail in details if isinstance(detail, dict)]
    return ": ".join(str(part) for part in parts if part)

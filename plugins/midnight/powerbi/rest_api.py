"""Requests to the REST APIs of Fabric and Power BI: sign-in, throttling, long-running operations, and what to do.

Sources: "Long running operations" and "Throttling" (Microsoft Fabric REST API), "Using the Power BI REST APIs".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from midnight.errors import ReportPublicationError, first_line

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
RETRY_SECONDS = 300  # a request is repeated for no longer
OPERATION_SECONDS = 900
_BACKOFF_SECONDS = 2
_TRANSIENT = (408, 429, 500, 502, 503, 504)
# A request that changes something may have had its effect: only these say that it had none.
_REFUSED_FOR_NOW = (429, 503)
_HINTS = {
    401: "allow service principals to use the Fabric APIs (tenant setting), or sign in again",
    403: "make {who} a Contributor of the workspace, and let it use the Fabric APIs (tenant setting)",
    404: "correct the id or name of the workspace, and make {who} a Contributor of it",
    429: "the service is throttling: run the command again later",
}


class ApiError(ReportPublicationError):
    """The service refused a request.

    Args:
        message: for people.
        status: HTTP status; 200 for a long-running operation that failed.
        code: the service's error code, for example ``ItemDisplayNameAlreadyInUse``.
    """

    def __init__(self, message: str, status: int, code: str) -> None:
        self.status, self.code = status, code
        super().__init__(message)


@dataclass
class RestApi:
    """Both services, as one identity.

    Args:
        credential: signs in; azure-identity keeps its tokens.
        who: the identity, for messages.
        sleep: waits some seconds.
        log: shows a line of progress.
    """

    credential: TokenCredential
    who: str
    sleep: Callable[[float], None] = time.sleep
    log: Callable[[str], None] = lambda line: None

    @cached_property
    def _client(self) -> httpx.Client:
        """Keeps its connections open; it ends with the command's process."""
        import httpx  # noqa: PLC0415 - azure profile only

        return httpx.Client(timeout=TIMEOUT_SECONDS)

    def token(self, service: str = POWER_BI) -> str:
        """A bearer token.

        Raises:
            ReportPublicationError: Entra ID gives none.
        """
        from azure.core.exceptions import AzureError  # noqa: PLC0415 - azure profile only

        try:
            return self.credential.get_token(_SCOPES[service]).token
        except AzureError as error:
            raise ReportPublicationError(
                f"{self.who} could not sign in: {first_line(error)}; hint: correct its client secret, or az login"
            ) from None

    def get(self, url: str) -> Any:
        """The JSON document at an address of one of the services."""
        return self._send("GET", url).json()

    def pages(self, url: str) -> Iterator[dict[str, Any]]:
        """All entries of a list that may come in pages ("Pagination", Fabric REST API)."""
        following: str | None = url
        while following:
            document = self.get(following)
            yield from document.get("value") or ()
            following = document.get("continuationUri")

    def change(self, method: str, url: str, body: Any = None) -> Any:
        """Send a change, wait for its end, and give its document; None without one.

        Raises:
            ApiError: the service refuses, or the operation failed.
            ReportPublicationError: no answer, or no end in time.
        """
        response = self._send(method, url, body)
        if response.status_code == 202 and response.headers.get("Location"):
            return self._wait(response)
        return response.json() if response.content else None

    def _wait(self, response: Any) -> Any:
        """Follow a long-running operation: its state is at ``Location``, and then its result."""
        deadline = time.monotonic() + OPERATION_SECONDS
        while True:
            location, pause = response.headers.get("Location"), _seconds(response, _BACKOFF_SECONDS)
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
                raise ApiError(f"the operation failed: {_words(error)}", 200, str(error.get("errorCode")))
            if state.get("status") == "Succeeded":
                result = response.headers.get("Location", "")
                return self.get(result) if result.endswith("/result") else None
            response.headers.setdefault("Location", location)

    def _send(self, method: str, url: str, body: Any = None) -> Any:
        import httpx  # noqa: PLC0415 - azure profile only

        service = FABRIC if url.startswith("https://api.fabric.microsoft.com/") else POWER_BI
        deadline, backoff = time.monotonic() + RETRY_SECONDS, float(_BACKOFF_SECONDS)
        while True:
            headers = {"Authorization": f"Bearer {self.token(service)}"}
            try:
                response = self._client.request(method, url, json=body, headers=headers)
            except httpx.HTTPError as error:
                raise ReportPublicationError(
                    f"{method} {url} got no answer ({type(error).__name__}); hint: check the network and the proxy, "
                    "then run the command again: what is there already is updated"
                ) from None
            if response.status_code < 400:
                return response
            again = response.status_code in (_TRANSIENT if method == "GET" else _REFUSED_FOR_NOW)
            pause = _seconds(response, backoff)
            if not again or time.monotonic() + pause > deadline:
                raise self._error(method, url, response)
            self.log(f"{response.status_code} from {service}: repeated in {pause:.0f} s")
            self.sleep(pause)
            backoff *= 2

    def _error(self, method: str, url: str, response: Any) -> ApiError:
        try:
            document = response.json()
        except ValueError:
            document = {}
        document = document.get("error", document) if isinstance(document, dict) else {}
        code = str(document.get("errorCode") or document.get("code") or "")
        hint = _HINTS.get(response.status_code, "correct what the service says, then run the command again")
        return ApiError(
            f"{method} {url} was refused ({response.status_code}): {_words(document) or response.reason_phrase}; "
            f"hint: {hint.format(who=self.who)}",
            response.status_code,
            code,
        )


def _seconds(response: Any, otherwise: float) -> float:
    """What ``Retry-After`` says; it is in seconds for both services."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else otherwise


def _words(error: Any) -> str:
    """Code, message and details of an error document of either service."""
    details = error.get("moreDetails") or error.get("details") or ()
    parts = [error.get("errorCode") or error.get("code"), error.get("message")]
    parts += [detail.get("message") for detail in details if isinstance(detail, dict)]
    return ": ".join(str(part) for part in parts if part)

"""Sends all requests to Azure Storage, repeats them after a transient error, and raises a ``LakeError`` otherwise.

The retries of the client library are disabled. They do not handle 429 and Retry-After, do not repeat a response whose
body was truncated, and limit attempts instead of seconds.

Exceptions of the client are never chained: their text contains the URL of the request, which may have a SAS token.
"""

from __future__ import annotations

import http.client
import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from midnight.errors import LakeError
from midnight.retry import RetryPolicy

T = TypeVar("T")
log = logging.getLogger(__name__)

# https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes: the transient ones.
_TRANSIENT_STATUS = {408, 429, 500, 502, 503, 504}
_TRANSIENT_CODES = {"Md5Mismatch", "Crc64Mismatch", "OperationTimedOut"}  # the block was damaged in transit
_NO_RETRY = re.compile("certificate.verify.failed", re.IGNORECASE)
_SECRETS = re.compile(r"(?i)\b(sig|AccountKey|client_secret|SharedAccessSignature)=[^&\s'\";)]*")
_HINTS = {
    401: "grant this identity the role Storage Blob Data Contributor on the lake",
    403: "grant this identity the role Storage Blob Data Contributor on the lake, and allow this machine in the "
    "account's firewall",
    409: "find out which other process writes there",
    412: "another attempt of the same run is active: wait until it has ended, then clear the task",
    429: "the account is throttled: clear the task later, or reduce the connections of the load group",
    503: "the account is throttled or down: clear the task later, or reduce the connections of the load group",
}
_CODE_HINTS = {
    "ContainerNotFound": "create the container (infra/ creates all three)",
    "AuthenticationFailed": "correct the connection of the lake (key, or SAS token and expiry), or the machine's clock",
}


class Retries:
    """Sends requests, and repeats them while they fail with a transient error.

    Args:
        account: for messages.
        identity: whose requests these are, for messages.
        retry_policy: how long a request is repeated.
    """

    def __init__(self, account: str, identity: str, retry_policy: RetryPolicy) -> None:
        self.account, self.identity, self.retry_policy = account, identity, retry_policy

    def run(self, what: str, path: str, request: Callable[[], T]) -> T:
        """Send a request until it succeeds or fails with an error that is not transient.

        Args:
            what: was to be done, for messages: ``read``, ``written`` …
            path: of the file, for messages.
            request: sends it. When it is called again, the earlier request may have had its effect.

        Raises:
            LakeError: with the service's code, its request id and a hint.
        """
        started, attempts = time.monotonic(), 0

        def attempt() -> T:
            nonlocal attempts
            attempts += 1
            try:
                return request()
            except (AzureError, OSError, http.client.HTTPException) as error:
                failure = Failure.of(error)
            raise _RequestFailed(failure)  # outside the except, so that the client's error is not chained

        def log_retry(error: Exception, number: int, wait: float) -> None:
            log.info("%s: %s; attempt %d follows in %.1f s", path, error, number + 1, wait)

        try:
            return self.retry_policy.call(attempt, _retry_after_failure, on_retry=log_retry)
        except _RequestFailed as error:
            failure = error.failure
        raise self._error(what, path, failure, attempts, time.monotonic() - started)

    def _error(self, what: str, path: str, failure: Failure, attempts: int, elapsed: float) -> LakeError:
        if failure.no_token:
            return LakeError(
                f"Entra ID did not issue a token for the lake {self.account!r} to {self.identity}: {failure.text}; "
                "hint: check the identity (MIDNIGHT_LAKE_CONNECTION, AZURE_* variables, managed identity) and the "
                "network connection to Entra ID"
            )
        tried = f" ({attempts} attempts in {elapsed:.0f} s)" if attempts > 1 else ""
        return LakeError(f"{path} cannot be {what}: {failure.text}{tried}; hint: {failure.hint}")


@dataclass(frozen=True)
class Failure:
    """The content of an exception of the client, without secrets.

    Args:
        text: for people.
        status: HTTP status; None if there was no response.
        code: error code of the service, for example ``ServerBusy``.
        is_transient: whether another attempt may succeed.
        no_token: Entra ID did not issue a token.
        retry_after: seconds that the service asks to wait.
    """

    text: str
    status: int | None = None
    code: str = ""
    is_transient: bool = False
    no_token: bool = False
    retry_after: float = 0.0

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """Classify an exception."""
        line = reason_of(error)
        response: Any = getattr(error, "response", None)
        status = getattr(error, "status_code", None)
        headers = {} if response is None else response.headers
        if isinstance(error, ClientAuthenticationError) and not _is_of_storage(headers):
            return cls(line, status, is_transient=status in _TRANSIENT_STATUS, no_token=True)
        if isinstance(error, HttpResponseError) and status is not None:
            code = code_of(error)
            text = f"{status} {code or getattr(error, 'reason', '') or ''}".rstrip()
            text += f" (request id {headers['x-ms-request-id']})" if "x-ms-request-id" in headers else ""
            is_transient = status in _TRANSIENT_STATUS or code in _TRANSIENT_CODES
            return cls(text, status, code, is_transient=is_transient, retry_after=_retry_after(headers))
        return cls(line, is_transient=not _NO_RETRY.search(str(error)))

    @property
    def hint(self) -> str:
        """What to do about it."""
        if self.status is None:
            return "check MIDNIGHT_STORAGE_ACCOUNT, DNS and the network connection to the account, then clear the task"
        hint = _CODE_HINTS.get(self.code) or _HINTS.get(self.status)
        return hint or "look up the code in the documentation of Azure Storage"


class _RequestFailed(Exception):
    """An attempt has failed; becomes a ``LakeError`` when there is no other one."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


def _retry_after_failure(error: Exception) -> float | None:
    if isinstance(error, _RequestFailed) and error.failure.is_transient:
        return error.failure.retry_after
    return None


def reason_of(error: BaseException) -> str:
    """The first line of a message, without secrets; for the chain of azure-identity the reason of each credential."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()] or [type(error).__name__]
    tried = lines.index("Attempted credentials:") if "Attempted credentials:" in lines else 0
    reasons = [line for line in lines[tried + 1 :] if not line.startswith("To mitigate")] if tried else lines[:1]
    return mask("; ".join(reasons))[: 600 if tried else 300]


def mask(text: str) -> str:
    """Replace keys, tokens and signatures in a text by ``***``."""
    return _SECRETS.sub(r"\1=***", text)


def is_missing(error: HttpResponseError) -> bool:
    """Whether a response means that the blob does not exist; a missing container does not count."""
    return error.status_code == 404 and code_of(error) != "ContainerNotFound"


def already_exists(error: HttpResponseError) -> bool:
    """Whether a write with ``overwrite=False`` was rejected because the blob exists."""
    return error.status_code == 412 or (error.status_code == 409 and code_of(error) == "BlobAlreadyExists")


def code_of(error: HttpResponseError) -> str:
    """Error code of the service, for example ``ServerBusy``; empty if the response has none."""
    response: Any = error.response
    code = None if response is None else response.headers.get("x-ms-error-code")
    code = code or getattr(error, "error_code", None) or ""
    return str(getattr(code, "value", code))


def _is_of_storage(headers: Any) -> bool:
    """Whether the response came from Azure Storage; those of Entra ID have none of these headers."""
    return "x-ms-error-code" in headers or "x-ms-version" in headers


def _retry_after(headers: Any) -> float:
    """Seconds to wait; the header contains seconds or a date (RFC 9110 section 10.2.3)."""
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        if str(headers.get(name, "")).isdigit():
            return int(headers[name]) / 1000
    value = str(headers.get("retry-after", ""))
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def _quiet(name: str) -> None:
    logger = logging.getLogger(name)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)


class _MaskedAddresses(logging.Filter):
    """Masks SAS tokens: urllib3 logs every URL at DEBUG."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.args and "sig=" in str(record.args):
            record.msg, record.args = mask(record.getMessage()), ()
        return True


_MASKED = _MaskedAddresses()


def configure_azure_logging() -> None:
    """Mask SAS tokens in the log of urllib3, and silence the twenty lines per request of the Azure client.

    Keeps log levels that were set explicitly. Idempotent.
    """
    logging.getLogger("urllib3.connectionpool").addFilter(_MASKED)
    _quiet("azure.core.pipeline.policies.http_logging_policy")


# Timeouts of one request: to connect, and between two reads of the response.
CLIENT_OPTIONS: dict[str, Any] = {
    "retry_total": 0,
    "connection_timeout": 10,
    "read_timeout": 60,
    "max_single_get_size": 32 * 1024 * 1024,
    "user_agent": "Midnight",
}

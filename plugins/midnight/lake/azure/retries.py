"""Every request to Azure Storage goes through here: what passes is tried again, the rest becomes one sentence.

The client's own retries are switched off. They do not know 429 and Retry-After, do not read the body of an answer
again that was cut, and count tries instead of seconds; and who asks again after a lost answer has to know that.

The client's exceptions are never chained to ours: their text has the request's address, with a SAS token in it.
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

# https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes: those that go away by themselves.
_TRANSIENT_STATUS = {408, 429, 500, 502, 503, 504}
_TRANSIENT_CODES = {"Md5Mismatch", "Crc64Mismatch", "OperationTimedOut"}  # the block was damaged on its way
_NO_RETRY = re.compile("certificate.verify.failed", re.IGNORECASE)
_SECRETS = re.compile(r"(?i)\b(sig|AccountKey|client_secret|SharedAccessSignature)=[^&\s'\";)]*")
_CURES = {
    401: "give this identity the role Storage Blob Data Contributor on the lake",
    403: "give this identity the role Storage Blob Data Contributor on the lake, and let this machine through the "
    "account's firewall",
    409: "look at what else writes there",
    412: "another try of the same run is at work: let it end, then clear the task",
    429: "the account is throttled: clear the task later, or lower the load group's connections",
    503: "the account is throttled or down: clear the task later, or lower the load group's connections",
}
_CODE_CURES = {
    "ContainerNotFound": "create the container: infra/ has all three",
    "AuthenticationFailed": "correct the lake's connection (key, SAS token and its expiry), and this machine's clock",
}


class Retries:
    """Runs requests.

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
                f"Entra ID gives no token for the lake {self.account!r} to {self.identity}: {failure.text}; check the "
                "identity (MIDNIGHT_LAKE_CONNECTION, AZURE_* variables, managed identity) and the way to Entra ID"
            )
        tried = f" ({attempts} attempts in {elapsed:.0f} s)" if attempts > 1 else ""
        return LakeError(f"{path} cannot be {what}: {failure.text}{tried}; {failure.cure}")


@dataclass(frozen=True)
class Failure:
    """What an exception of the client says, without its secrets.

    Args:
        text: for people.
        status: of the answer; None when there was none.
        code: the service's, for example ``ServerBusy``.
        is_transient: whether another attempt may succeed.
        no_token: it was the identity that failed.
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
        """Understand an exception."""
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
    def cure(self) -> str:
        """What to do."""
        if self.status is None:
            return "check MIDNIGHT_STORAGE_ACCOUNT, DNS and the way to the account, then clear the task"
        return _CODE_CURES.get(self.code) or _CURES.get(self.status) or "see the code in Azure Storage's documentation"


class _RequestFailed(Exception):
    """One attempt has failed; ends here, as a ``LakeError``."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


def _retry_after_failure(error: Exception) -> float | None:
    if isinstance(error, _RequestFailed) and error.failure.is_transient:
        return error.failure.retry_after
    return None


def reason_of(error: BaseException) -> str:
    """The first line of a message, without secrets; of azure-identity's chain what each part of it says."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()] or [type(error).__name__]
    tried = lines.index("Attempted credentials:") if "Attempted credentials:" in lines else 0
    reasons = [line for line in lines[tried + 1 :] if not line.startswith("To mitigate")] if tried else lines[:1]
    return mask("; ".join(reasons))[: 600 if tried else 300]


def mask(text: str) -> str:
    """The text without keys, tokens and signatures."""
    return _SECRETS.sub(r"\1=***", text)


def is_missing(error: HttpResponseError) -> bool:
    """Whether an answer says that there is no such file; a missing container is a fault."""
    return error.status_code == 404 and code_of(error) != "ContainerNotFound"


def already_exists(error: HttpResponseError) -> bool:
    """Whether an answer to a write that must not replace anything says that there is something."""
    return error.status_code == 412 or (error.status_code == 409 and code_of(error) == "BlobAlreadyExists")


def code_of(error: HttpResponseError) -> str:
    """The service's code, for example ``ServerBusy``; empty when it gave none."""
    response: Any = error.response
    code = None if response is None else response.headers.get("x-ms-error-code")
    code = code or getattr(error, "error_code", None) or ""
    return str(getattr(code, "value", code))


def _is_of_storage(headers: Any) -> bool:
    """Whether the storage service sent an answer; Entra ID's have none of these."""
    return "x-ms-error-code" in headers or "x-ms-version" in headers


def _retry_after(headers: Any) -> float:
    """Seconds; the header gives them, or a date (RFC 9110 section 10.2.3)."""
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
    """urllib3 logs every address at DEBUG, a SAS token included."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.args and "sig=" in str(record.args):
            record.msg, record.args = mask(record.getMessage()), ()
        return True


_MASKED = _MaskedAddresses()


def configure_azure_logging() -> None:
    """Mask SAS tokens in what urllib3 logs, and spare the task's log Azure's twenty lines per request.

    A level that somebody has set stays. Doing it twice changes nothing.
    """
    logging.getLogger("urllib3.connectionpool").addFilter(_MASKED)
    _quiet("azure.core.pipeline.policies.http_logging_policy")


# Of one request: connecting, and waiting for the next bytes of an answer.
CLIENT_OPTIONS: dict[str, Any] = {
    "retry_total": 0,
    "connection_timeout": 10,
    "read_timeout": 60,
    "max_single_get_size": 32 * 1024 * 1024,
    "user_agent": "Midnight",
}

"""Errors of Spark jobs and of the services that run them."""

from __future__ import annotations

from collections.abc import Iterable

from midnight.errors.base import MidnightError


class JobError(MidnightError):
    """A Spark job failed; the message is the job's own error."""


class NonRetryableJobError(JobError):
    """A Spark job failed by one of ``NON_RETRYABLE_ERRORS``.

    Args:
        message: of the error.
        releasable: of the job's ``ReleasableError``.
    """

    retryable = False

    def __init__(self, message: str, releasable: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.releasable = tuple(releasable)


class DeploymentError(MidnightError):
    """What is deployed in Azure differs from what this code and this configuration expect."""

    retryable = False


class OrphanedRunsError(MidnightError):
    """A service could not be reached to check whether a run has left work running there."""

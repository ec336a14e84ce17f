"""Errors of the lake, of what is in it, and of secrets."""

from __future__ import annotations

from midnight.errors.base import MidnightError


class BronzeError(MidnightError):
    """A bronze batch is missing, unsealed, or does not match its manifest."""


class SecretsError(MidnightError):
    """A secret could not be read: the store refuses, throttles or is unreachable, or the value is malformed."""


class LakeError(MidnightError):
    """The lake cannot be read or written (disk full, permission, not found)."""


class LakePathError(LakeError):
    """The lake is in a folder whose path the local engine or Delta's library does not support."""

    retryable = False


class LakeConflictError(LakeError):
    """A write-once file already exists with other content.

    Args:
        path: of the file.
        existing: its content; None when it was deleted in the meantime.
    """

    def __init__(self, path: str, existing: str | None) -> None:
        self.path, self.existing = path, existing
        super().__init__(
            f"{path} is already there with other content: another try of the same run has written it",
            "let that one end, then clear the task",
        )
        self.args = (path, existing)


class LedgerError(MidnightError):
    """The row counts of a batch do not add up."""

    retryable = False


class MaskingError(MidnightError):
    """Silver was masked with another key, or with other masked columns."""

    retryable = False

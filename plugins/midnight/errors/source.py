"""Errors of the source database, and of the values and types that it holds."""

from __future__ import annotations

from collections.abc import Sequence

from midnight.errors.base import MidnightError


class SourceError(MidnightError):
    """The source database cannot be reached, or refuses what the run needs (permission, missing table)."""


class SourceAccessError(SourceError):
    """The source refuses the sign-in or a permission, or its address is wrong: waiting does not help."""

    retryable = False


class SourceMismatchError(SourceError):
    """The source's tables differ from their configuration, or this role may not read them."""

    retryable = False


class StoppedTablesError(SourceMismatchError):
    """The run did not load some tables, since reading them is not safe; all other tables are loaded and published."""

    @classmethod
    def of_messages(cls, messages: Sequence[str]) -> StoppedTablesError:
        """The error of a run that has published everything else.

        Args:
            messages: one per stopped table.
        """
        count, their, them = f"{len(messages)} tables were", "their", "them"
        if len(messages) == 1:
            count, their, them = "1 table was", "its", "it"
        lines = "\n".join(f"  {message}" for message in messages)
        return cls(
            f"{count} not loaded by this run; silver keeps {their} rows of the last run, models that depend on {them} "
            f"keep their last build, and everything else is published. Correct {them}, then start a new run:\n{lines}"
        )


class SourceTimeoutError(SourceError):
    """A timeout of the role or the database ended the read, and would end every retry."""

    retryable = False


class TypeNotSupportedError(MidnightError):
    """A column type without an exact counterpart in the lake, and without a configured policy."""

    retryable = False


class ValueNotRepresentableError(MidnightError):
    """A source value that the lake's type cannot hold exactly."""

    retryable = False

"""Every exception that Midnight raises on purpose, and the diagnosis that exceptions and ``midnight doctor`` share.

A message names what is wrong, with the value, and where; then the hint.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

_HINT = "; hint: "


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong, and what to do about it.

    Args:
        found: what is wrong, with the value, and where; never a secret.
        hint: the action that fixes it; empty where there is none.
        retryable: whether the same attempt can succeed later without a change by a person.
    """

    found: str
    hint: str = ""
    retryable: bool = True

    @classmethod
    def parse(cls, text: str, *, retryable: bool = True) -> Diagnosis:
        """The diagnosis in a message of the form ``found; hint: …``; a list of several problems stays one text."""
        found, _, hint = text.partition(_HINT)
        if "\n" in text or _HINT in hint:
            return cls(text, "", retryable)
        return cls(found, hint, retryable)

    def __str__(self) -> str:
        return f"{self.found}{_HINT}{self.hint}" if self.hint else self.found


class MidnightError(Exception):
    """Base of all errors that a data engineer can act on.

    Args:
        found: what is wrong, with the value, and where. It may contain the hint: ``found; hint: …``.
        hint: the action that fixes it.
    """

    retryable: ClassVar[bool] = True

    def __init__(self, found: str, hint: str = "") -> None:
        super().__init__(*((found, hint) if hint else (found,)))
        parsed = Diagnosis.parse(found, retryable=self.retryable)
        self.diagnosis = Diagnosis(found, hint, self.retryable) if hint else parsed

    def __str__(self) -> str:
        return str(self.diagnosis)


def first_line(error: BaseException, limit: int = 500) -> str:
    """The first line of an exception's message, or the name of its type where it has none.

    Args:
        error: whose message may be many lines long.
        limit: characters at most.
    """
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:limit]


def last_line(output: str, limit: int | None = None) -> str:
    """The last line of a program's output that is not blank, which names its error; "no message" where there is none.

    Args:
        output: of the program, or its log.
        limit: characters at most; None for all of them.
    """
    lines = output.strip().splitlines()
    return lines[-1].strip()[:limit] if lines else "no message"


@dataclass(frozen=True)
class ConfigurationProblem:
    """One problem in a configuration file or variable.

    Args:
        where: the file (relative to the configuration folder) or the environment variable.
        line: line in the file, from 1; None where there is none.
        field: dotted path of the field, for example ``columns[3].type``.
        message: what is wrong, with the value, and what to write instead.
    """

    where: str
    line: int | None
    field: str
    message: str

    def __str__(self) -> str:
        place = self.where if self.line is None else f"{self.where}:{self.line}"
        return f"{place}: {self.field}: {self.message}" if self.field else f"{place}: {self.message}"


class ConfigurationError(MidnightError):
    """All problems of the configuration at once.

    Args:
        problems: at least one.
    """

    retryable = False

    def __init__(self, problems: Sequence[ConfigurationProblem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"{count} configuration problem{'s' if count != 1 else ''}:\n{lines}")
        self.args = (self.problems,)


class SourceError(MidnightError):
    """The source database cannot be reached, or refuses what the run needs (permission, missing table)."""


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
        count = f"{len(messages)} table{'s were' if len(messages) > 1 else ' was'}"
        lines = "\n".join(f"  {message}" for message in messages)
        return cls(
            f"{count} not loaded by this run; silver keeps their rows of the last run, models that depend on them keep "
            f"their last build, and everything else is published. Correct them, then start a new run:\n{lines}"
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


class ReleasableError(MidnightError):
    """Stops a publication that a person may release, if pipeline.yml allows it (``release``).

    Args:
        message: of the error.
        releasable: everything that stops it, as ``midnight.run.release`` names it; empty if not all of it may be
            released, for example because a row is not accounted for.
    """

    retryable = False

    def __init__(self, message: str, releasable: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.releasable = tuple(releasable)


class QualityGateError(ReleasableError):
    """A check with ``on_failure: fail`` failed; readers keep the data of the last published run."""


class ExpectationError(ReleasableError):
    """A figure of the run is outside of what is expected, with ``on_failure: fail``; readers keep the last data."""


class BudgetError(MidnightError):
    """Runs have cost more than the budget, with ``when_exceeded: stop``; the run does nothing."""

    retryable = False


class ReconciliationError(ReleasableError):
    """A layer differs from the source or from the layer before it; nothing of it is published."""


class MaskingError(MidnightError):
    """Silver was masked with another key, or with other masked columns."""

    retryable = False


class ModelError(MidnightError):
    """A gold model or a reporting view is wrong (unknown reference, cycle, duplicate key, bad SQL)."""

    retryable = False


class ServingError(MidnightError):
    """The views or the report could not be published."""


class DataLimitError(ServingError):
    """Synapse reads no more data, since the workspace's limit of processed data is reached."""


class ReportRefreshError(MidnightError):
    """Power BI did not refresh the report's data; readers keep the data of the last refresh."""


class RefreshLimitError(ReportRefreshError):
    """The dataset has reached Power BI's daily limit of refreshes."""

    retryable = False


class ReportPublicationError(MidnightError):
    """The Power BI model or report could not be published; readers keep what was published before."""


class NotPublishedError(MidnightError):
    """Nothing was published in time; readers keep the data of the last published run."""

    retryable = False


class SynapseError(ServingError):
    """Synapse is unreachable, or refuses the sign-in."""


class JobError(MidnightError):
    """A Spark job failed; the message is the job's own error."""


class DeploymentError(MidnightError):
    """What is deployed in Azure differs from what this code and this configuration expect."""

    retryable = False


class OrphanedRunsError(MidnightError):
    """A service could not be reached to check whether a run has left work running there."""


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


def _non_retryable(kind: type[MidnightError]) -> Iterator[type[MidnightError]]:
    """The topmost classes that are not retryable; ``except`` and ``isinstance`` include their subclasses."""
    for subclass in kind.__subclasses__():
        if subclass.retryable:
            yield from _non_retryable(subclass)
        else:
            yield subclass


# A retry of these fails again until a person changes something.
NON_RETRYABLE_ERRORS: tuple[type[MidnightError], ...] = tuple(_non_retryable(MidnightError))
# A job prints this line before its last one, since its exit code does not reach Airflow from Databricks.
NON_RETRYABLE_MARKER = "non-retryable error"
# … and this one, followed by ``ReleasableError.releasable`` as JSON.
RELEASABLE_MARKER = "releasable: "

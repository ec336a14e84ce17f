"""Every exception that Midnight raises on purpose. A message names the table or field, the value, and the cure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class MidnightError(Exception):
    """Base of all errors that a data engineer can act on."""


@dataclass(frozen=True)
class ConfigurationProblem:
    """One thing that is wrong in a configuration file or variable.

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
        problems: what is wrong, at least one.
    """

    def __init__(self, problems: Sequence[ConfigurationProblem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"{count} configuration problem{'s' if count != 1 else ''}:\n{lines}")


class SourceError(MidnightError):
    """The source database cannot be reached, or refuses what the run needs (permission, missing table)."""


class SourceMismatchError(SourceError):
    """The source's tables are there, but not as they are configured, or not for this role."""


class SourceTimeoutError(SourceError):
    """A timeout of the role or the database ended the reading, and would end it again."""


class TypeNotSupportedError(MidnightError):
    """A column type that the lake has no exact counterpart for, and nobody said what to do with it."""


class ValueNotRepresentableError(MidnightError):
    """A source value that the lake's type cannot hold exactly."""


class BronzeError(MidnightError):
    """A bronze batch is missing, unsealed, or does not match its manifest."""


class SecretsError(MidnightError):
    """A secret cannot be had: the store refuses, throttles, is away, or holds something else."""


class LakeError(MidnightError):
    """The lake cannot be read or written (disk full, permission, not found)."""


class LakePathError(LakeError):
    """The lake is in a folder whose path the local engine or Delta's library cannot take."""


class LakeConflictError(LakeError):
    """A file that shall be written once is already there with other content.

    Args:
        path: of the file.
        existing: its content; None when it has gone meanwhile.
    """

    def __init__(self, path: str, existing: str | None) -> None:
        self.path, self.existing = path, existing
        super().__init__(
            f"{path} is already there with other content: another try of the same run has written it; "
            "let that one end, then clear the task"
        )


class LedgerError(MidnightError):
    """The rows of a batch do not add up."""


class QualityGateError(MidnightError):
    """A check with ``on_failure: fail`` failed; readers keep yesterday's data."""


class MaskingError(MidnightError):
    """Silver was masked with another key, or other columns of it were."""


class ModelError(MidnightError):
    """A gold model or a reporting view is wrong (unknown reference, cycle, duplicate key, bad SQL)."""


class ServingError(MidnightError):
    """The views or the report could not be published."""


class ReportRefreshError(MidnightError):
    """Power BI did not refresh the report's data; readers keep those of the last refresh."""


class RefreshLimitError(ReportRefreshError):
    """Power BI takes no more refreshes of a dataset today."""


class ReportPublicationError(MidnightError):
    """The Power BI model or report could not be published; what readers see stays as it is."""


class SynapseError(ServingError):
    """Synapse cannot be reached, or does not let us in.

    Args:
        found: what is wrong, in the server's own words.
        cure: what to do.
    """

    def __init__(self, found: str, cure: str) -> None:
        self.found, self.cure = found, cure
        super().__init__(f"{found}; {cure}")


class JobError(MidnightError):
    """A Spark job failed; the message is the job's own sentence."""


class DeploymentError(MidnightError):
    """What is deployed in Azure is not what this code and this configuration expect."""


class OrphanedRunsError(MidnightError):
    """A service cannot be asked whether a run has left something at work there."""


class NonRetryableJobError(JobError):
    """A Spark job failed by one of ``NON_RETRYABLE_ERRORS``."""


# Another try cannot cure these: a person has to change something first.
NON_RETRYABLE_ERRORS: tuple[type[MidnightError], ...] = (
    ConfigurationError,
    SourceMismatchError,
    SourceTimeoutError,
    LakePathError,
    ModelError,
    TypeNotSupportedError,
    ValueNotRepresentableError,
    QualityGateError,
    LedgerError,
    MaskingError,
    DeploymentError,
    RefreshLimitError,
    NonRetryableJobError,
)
# A job says so by this line before its last one, since an exit code does not reach Airflow from Databricks.
NON_RETRYABLE_MARKER = "non-retryable error"

"""Every exception that Midnight raises on purpose, and the diagnosis that exceptions and ``midnight doctor`` share.

A message names what is wrong, with the value, and where; then the hint. One module per stage; all are imported from
here.
"""

from __future__ import annotations

from collections.abc import Iterator

from midnight.errors.base import Diagnosis, MidnightError, first_line, last_line
from midnight.errors.configuration import ConfigurationError, ConfigurationProblem
from midnight.errors.jobs import DeploymentError, JobError, NonRetryableJobError, OrphanedRunsError
from midnight.errors.lake import (
    BronzeError,
    LakeConflictError,
    LakeError,
    LakePathError,
    LedgerError,
    MaskingError,
    SecretsError,
)
from midnight.errors.publication import (
    BudgetError,
    ExpectationError,
    NotPublishedError,
    QualityGateError,
    ReconciliationError,
    ReleasableError,
)
from midnight.errors.serving import (
    DataLimitError,
    ModelError,
    RefreshLimitError,
    ReportPublicationError,
    ReportRefreshError,
    ReportSignInError,
    ServingError,
    StatementRefusedError,
    SynapseError,
)
from midnight.errors.source import (
    SourceAccessError,
    SourceError,
    SourceMismatchError,
    SourceTimeoutError,
    StoppedTablesError,
    TypeNotSupportedError,
    ValueNotRepresentableError,
)

__all__ = [
    "NON_RETRYABLE_ERRORS",
    "NON_RETRYABLE_MARKER",
    "RELEASABLE_MARKER",
    "BronzeError",
    "BudgetError",
    "ConfigurationError",
    "ConfigurationProblem",
    "DataLimitError",
    "DeploymentError",
    "Diagnosis",
    "ExpectationError",
    "JobError",
    "LakeConflictError",
    "LakeError",
    "LakePathError",
    "LedgerError",
    "MaskingError",
    "MidnightError",
    "ModelError",
    "NonRetryableJobError",
    "NotPublishedError",
    "OrphanedRunsError",
    "QualityGateError",
    "ReconciliationError",
    "RefreshLimitError",
    "ReleasableError",
    "ReportPublicationError",
    "ReportRefreshError",
    "ReportSignInError",
    "SecretsError",
    "ServingError",
    "SourceAccessError",
    "SourceError",
    "SourceMismatchError",
    "SourceTimeoutError",
    "StatementRefusedError",
    "StoppedTablesError",
    "SynapseError",
    "TypeNotSupportedError",
    "ValueNotRepresentableError",
    "first_line",
    "last_line",
]


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

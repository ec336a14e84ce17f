"""Errors of gold models, of the views and of the report."""

from __future__ import annotations

from midnight.errors.base import MidnightError


class ModelError(MidnightError):
    """A gold model or a reporting view is wrong (unknown reference, cycle, duplicate key, bad SQL)."""

    retryable = False


class ServingError(MidnightError):
    """The views or the report could not be published."""


class DataLimitError(ServingError):
    """Synapse reads no more data, since the workspace's limit of processed data is reached."""


class StatementRefusedError(ServingError):
    """Synapse refused a statement, or the connection was lost while it ran.

    Args:
        statement: the T-SQL.
        reason: the server's own message.
        advice: what to do about it.
    """

    def __init__(self, statement: str, reason: str, advice: str) -> None:
        super().__init__(
            f"Synapse refused {' '.join(statement.split())[:200]!r}: {reason}; readers have the views of the last "
            f"publication; hint: {advice}; then clear this task"
        )
        self.reason, self.advice = reason, advice


class SynapseError(ServingError):
    """Synapse is unreachable, or refuses the sign-in."""


class ReportRefreshError(MidnightError):
    """Power BI did not refresh the report's data; readers keep the data of the last refresh."""


class RefreshLimitError(ReportRefreshError):
    """The dataset has reached Power BI's daily limit of refreshes."""

    retryable = False


class ReportSignInError(ReportRefreshError):
    """Entra ID refuses the client secret with which the report is refreshed."""

    retryable = False


class ReportPublicationError(MidnightError):
    """The Power BI model or report could not be published; readers keep what was published before."""

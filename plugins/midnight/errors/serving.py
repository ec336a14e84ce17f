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


class SynapseError(ServingError):
    """Synapse is unreachable, or refuses the sign-in."""


class ReportRefreshError(MidnightError):
    """Power BI did not refresh the report's data; readers keep the data of the last refresh."""


class RefreshLimitError(ReportRefreshError):
    """The dataset has reached Power BI's daily limit of refreshes."""

    retryable = False


class ReportPublicationError(MidnightError):
    """The Power BI model or report could not be published; readers keep what was published before."""

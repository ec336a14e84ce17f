"""What stops a publication although every service works."""

from __future__ import annotations

from collections.abc import Iterable

from midnight.errors.base import MidnightError


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
    """Runs have cost more than the budget, with ``when_exceeded: stop``; the run stops before its Spark jobs.

    Bronze is read: it is the only layer that cannot be recomputed later.
    """

    retryable = False


class ReconciliationError(ReleasableError):
    """A layer differs from the source or from the layer before it; nothing of it is published."""


class NotPublishedError(MidnightError):
    """Nothing was published in time; readers keep the data of the last published run."""

    retryable = False

"""Compares what runs have cost with the budget."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from midnight.configuration.budget import Budget
from midnight.errors import BudgetError
from midnight.summary.document import RunFigures


def exceeded_budget(
    budget: Budget, runs: Sequence[RunFigures], now: datetime, timezone: str, currency: str = ""
) -> list[str]:
    """What is exceeded, one message each; none if nothing is.

    Args:
        budget: of the pipeline.
        runs: figures of the runs before, oldest first; those without a cost count as 0.
        now: with a time zone, in the month in question.
        timezone: of the pipeline, in which a month begins.
        currency: for the messages.
    """
    zone = ZoneInfo(timezone)
    month = now.astimezone(zone).strftime("%Y-%m")
    of_month = [run.cost or 0.0 for run in runs if run.due.astimezone(zone).strftime("%Y-%m") == month]
    priced = [run for run in runs if run.cost is not None]
    found = []
    if budget.per_run is not None and priced and (priced[-1].cost or 0) > budget.per_run:
        last = priced[-1]
        found.append(
            f"run {last.run_id} has cost {last.cost:,.2f} {currency}".rstrip()
            + f", the budget of a run is {budget.per_run:,.2f} (budget.per_run)"
        )
    if budget.per_month is not None and sum(of_month) > budget.per_month:
        found.append(
            f"the {len(of_month)} runs of {month} have cost {sum(of_month):,.2f} {currency}".rstrip()
            + f", the budget of a month is {budget.per_month:,.2f} (budget.per_month)"
        )
    return found


def check_budget(budget: Budget, exceeded: Sequence[str]) -> None:
    """Stop a run.

    Raises:
        BudgetError: something is exceeded, and ``when_exceeded`` is ``stop``.
    """
    if exceeded and budget.when_exceeded == "stop":
        raise BudgetError(
            f"{'; '.join(exceeded)}; the run stops before its Spark jobs, readers keep the last data; hint: start a "
            "run with the parameter ignore_budget to run once nevertheless, or raise the budget in include/pipeline.yml"
        )

"""What a run cost: its facts times the prices, per table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from decimal import Decimal
from typing import Any

from midnight.configuration.budget import Budget
from midnight.configuration.prices import PriceFile
from midnight.cost.facts import UNITS, CostFact
from midnight.summary.document import CostItem, CostSummary, RunFigures

COST_COLUMNS = {
    "run_id": "VARCHAR",
    "batch_id": "VARCHAR",
    "due": "TIMESTAMP",
    "part": "VARCHAR",
    "fact": "VARCHAR",
    "table": "VARCHAR",
    "quantity": "DOUBLE",
    "price": "DOUBLE",
    "amount": "DOUBLE",
    "currency": "VARCHAR",
    "prices_of": "VARCHAR",
}


def summarise(facts: Iterable[CostFact], prices: PriceFile, budget: Budget | None = None) -> CostSummary:
    """The cost of a run.

    Args:
        facts: of the run, after ``allocate``.
        prices: of ``prices.yml``.
        budget: of the pipeline.
    """
    items, total = [], Decimal(0)
    for fact in facts:
        price = Decimal(0) if fact.meter == "free" else getattr(prices.prices, fact.meter).exact
        price /= UNITS.get(fact.meter, 1)
        amount = fact.quantity * price
        total += amount
        items.append(
            CostItem(
                part=fact.part,
                fact=fact.text,
                quantity=float(fact.quantity),
                price=float(price),
                amount=float(amount),
                table=fact.table,
            )
        )
    return CostSummary(
        currency=prices.currency,
        prices_of=prices.as_of.isoformat(),
        total=float(total),
        budget=0 if budget is None or budget.per_run is None else budget.per_run,
        items=tuple(items),
    )


def allocate(facts: Iterable[CostFact], shares: Mapping[str, Mapping[str, float]]) -> list[CostFact]:
    """Divide the facts of a stage among its tables; their sum stays the same.

    A fact that has a table, or whose stage has no shares, stays as it is.

    Args:
        facts: of a run.
        shares: stage -> table or model -> weight: the seconds that it took.
    """
    result: list[CostFact] = []
    for fact in facts:
        weights = {name: weight for name, weight in shares.get(fact.stage, {}).items() if weight > 0}
        if fact.table or not fact.stage or not weights:
            result.append(fact)
            continue
        whole, left = Decimal(str(sum(weights.values()))), fact.quantity
        for name, weight in sorted(weights.items()):
            part = min(left, fact.quantity * Decimal(str(weight)) / whole)
            left -= part
            result.append(fact.model_copy(update={"table": name, "quantity": part}))
        if left:
            last = result.pop()
            result.append(last.model_copy(update={"quantity": last.quantity + left}))
    return result


def cost_of_tables(cost: CostSummary) -> dict[str, float]:
    """Table or model -> amount, the most expensive first; ``""`` has what no table alone has caused."""
    amounts: dict[str, float] = {}
    for item in cost.items:
        amounts[item.table] = amounts.get(item.table, 0.0) + item.amount
    return dict(sorted(amounts.items(), key=lambda pair: (-pair[1], pair[0])))


def cost_rows(runs: Sequence[tuple[RunFigures, CostSummary]]) -> list[dict[str, Any]]:
    """The rows of the view ``midnight.cost``, with the columns of COST_COLUMNS; times are UTC."""
    return [
        {
            "run_id": figures.run_id,
            "batch_id": figures.batch_id,
            "due": figures.due.astimezone(UTC).replace(tzinfo=None),
            "part": item.part,
            "fact": item.fact,
            "table": item.table,
            "quantity": item.quantity,
            "price": item.price,
            "amount": item.amount,
            "currency": cost.currency,
            "prices_of": cost.prices_of,
        }
        for figures, cost in runs
        for item in cost.items
    ]

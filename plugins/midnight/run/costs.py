"""What a run cost, and whether the runs before have exceeded the budget, from the lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from midnight.configuration.pipeline import Pipeline
from midnight.configuration.prices import PriceFile
from midnight.cost.budget import exceeded_budget
from midnight.cost.facts import local_facts, storage_facts
from midnight.cost.storage import read_facts
from midnight.cost.summary import allocate, summarise
from midnight.lake.files import LakeFiles
from midnight.lake.ledger import LedgerEntry
from midnight.lake.paths import LakePaths
from midnight.summary.document import CostSummary, ModelSummary, RunFigures
from midnight.summary.storage import read_newest_summary

HOURS_BETWEEN_RUNS = 24.0


def cost_of_run(
    paths: LakePaths,
    files: LakeFiles,
    *,
    pipeline: Pipeline,
    prices: PriceFile,
    figures: RunFigures,
    entries: Sequence[LedgerEntry],
    models: Sequence[ModelSummary],
    kept: Mapping[str, int] | None = None,
    before: RunFigures | None = None,
) -> CostSummary:
    """The cost of a run, divided among its tables and models by the seconds that they took.

    Args:
        paths: of the lake.
        files: reads what the run's tasks have counted.
        pipeline: its budget.
        prices: of ``prices.yml``.
        figures: of the run.
        entries: of the run, one per table.
        models: of its build.
        kept: table or model -> bytes in the lake; None: storage is not counted.
        before: the run before, since which the bytes were kept; None: 24 hours.

    Raises:
        LakeError: what was counted cannot be read.
    """
    silver = {entry.table: entry.milliseconds / 1000 for entry in entries if entry.milliseconds}
    gold = {model.name: model.seconds for model in models if model.seconds}
    facts = read_facts(files, paths, figures.batch_id)
    if not any(fact.part == "databricks" for fact in facts):
        facts += local_facts({**silver, **gold})
    if kept is not None:
        hours = HOURS_BETWEEN_RUNS if before is None else (figures.due - before.due).total_seconds() / 3600
        facts += storage_facts(kept, hours=max(0.0, hours), writes=0)
    shared = allocate(facts, {"bronze_to_silver": silver, "silver_to_gold": gold})
    return summarise(shared, prices, pipeline.budget)


def exceeded_by_runs(pipeline: Pipeline, paths: LakePaths, files: LakeFiles, batch_id: str) -> list[str]:
    """What the runs before a batch have exceeded, one message each.

    Raises:
        LakeError: the summary of the run before cannot be read.
    """
    if pipeline.budget.per_run is None and pipeline.budget.per_month is None:
        return []
    summary = read_newest_summary(files, paths, before=batch_id)
    if summary is None:
        return []
    currency = "" if summary.cost is None else summary.cost.currency
    runs = [*summary.earlier, summary.figures]
    return exceeded_budget(pipeline.budget, runs, datetime.now(UTC), pipeline.schedule.timezone, currency)

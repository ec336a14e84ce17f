"""The figures of the source that belong to the batches of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from midnight.bronze.batches import BronzeStore
from midnight.bronze.manifest import Manifest
from midnight.configuration.tables import Table
from midnight.names import qualified_name
from midnight.reconciliation.source_figures import FigureQuery, SourceFigures, parse_figures
from midnight.run.document import TableWork
from midnight.silver_to_gold.models import GoldModel
from midnight.silver_to_gold.source_rules import figure_queries


def read_figures(
    models: Iterable[GoldModel], works: Sequence[TableWork], bronze: BronzeStore
) -> tuple[SourceFigures, ...]:
    """The figures of every rule, or why there are none.

    They can only be compared if silver has what the source had in the snapshot: if the newest batches of all tables of
    the rule were read from it.

    Args:
        models: all models.
        works: the tables of the run and their batches.
        bronze: where the figures are.

    Raises:
        ReconciliationError: a file with figures is not valid.
        LakeError: it cannot be read.
    """
    newest = {
        (work.table.schema_name, work.table.table): (work.table, work.batches[-1]) for work in works if work.batches
    }
    queries = figure_queries({model.name: model.contract for model in models})
    return tuple(_of_rule(query, newest, bronze) for query in queries)


def _of_rule(
    query: FigureQuery, newest: Mapping[tuple[str, str], tuple[Table, Manifest]], bronze: BronzeStore
) -> SourceFigures:
    def none(reason: str) -> SourceFigures:
        return SourceFigures(model=query.model, rule=query.rule, reason=reason)

    missing = [qualified_name(*name) for name in query.tables if name not in newest]
    if missing:
        return none(f"this run does not have {', '.join(missing)}")
    used = [newest[name] for name in query.tables]
    if any(manifest.written_by == "adf" for _, manifest in used):
        return none("Data Factory copied the tables, whose queries do not share a snapshot with the figures")
    lagging = [table.qualified_name for table, manifest in used if manifest.follows and table.deletes == "snapshot"]
    if lagging:
        return none(f"deleted rows of {', '.join(lagging)} stay until the next full snapshot; hint: deletes: keys")
    batches = {(manifest.batch_id, manifest.read_from.snapshot) for _, manifest in used}
    if len(batches) > 1:
        return none("the newest batches of its tables were read in different runs")
    table, manifest = used[0]
    path = bronze.paths.source_figures(manifest.source, table.group, manifest.batch_id)
    text = bronze.lake.read_text(path)
    found = () if text is None else parse_figures(text, path)
    wanted = (query.model, query.rule, query.columns)
    figures = next((each for each in found if (each.model, each.rule, each.columns) == wanted), None)
    return none("the rule was added or changed after the tables were read") if figures is None else figures

"""Plans a run: the run document, made from the checked configuration and the sealed batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from midnight.bronze.batches import BronzeStore
from midnight.bronze.stopped_tables import StoppedTable, read_stopped_tables, with_referencing_tables
from midnight.bronze.unchanged import UnchangedTable, read_unchanged, unchanged_at
from midnight.bronze_to_silver.batch_chain import batch_chain, check_chain, complete_chains
from midnight.configuration.tables import Table
from midnight.errors import BronzeError, StoppedTablesError
from midnight.lake.files import LakeFiles
from midnight.lake.many_files import read_many
from midnight.lake.paths import planned_batches
from midnight.run.document import RunDocument, TableWork, read_run_document
from midnight.run.run_configuration import RunConfiguration, load_run_configuration
from midnight.run.source_figures import read_figures
from midnight.settings import Settings
from midnight.silver_to_gold.refresh.derive import refresh_plans


@dataclass(frozen=True)
class RunRequest:
    """What identifies a run and what it was triggered with.

    Args:
        batch_id: of the run.
        run_id: Airflow's run id.
        tables: names given as the run's parameter; empty means all.
        rebuild: rebuild silver from all sealed batches instead of merging the newest ones into it.
    """

    batch_id: str
    run_id: str
    tables: tuple[str, ...] = ()
    rebuild: bool = False


def open_bronze(settings: Settings, lake: LakeFiles, configuration: RunConfiguration) -> BronzeStore:
    """The batches of the configured source."""
    return BronzeStore(lake, settings.paths, configuration.tables.pipeline.source.name)


def renew_rebuild_plan(settings: Settings, lake: LakeFiles, batch_id: str) -> RunDocument | None:
    """Plan a rebuild again, right before it begins; None for other runs, and for a run without a plan.

    A rebuild may have waited for a regular run. Without the batch that this one has applied in the meantime, the
    rebuild would set silver back to the state before it.

    Raises:
        ConfigurationError, BronzeError: as ``load_run_configuration`` and ``plan_run``.
    """
    document = read_run_document(lake, settings.paths, batch_id)
    if document is None or not document.rebuild:
        return None
    names = tuple(work.table.qualified_name for work in document.tables)
    configuration = load_run_configuration(settings, list(names))
    request = RunRequest(batch_id, document.run_id, names, rebuild=True)
    return plan_run(request, configuration, open_bronze(settings, lake, configuration))


def plan_run(request: RunRequest, configuration: RunConfiguration, bronze: BronzeStore) -> RunDocument:
    """Choose the batches of each table and write the run document to ``paths.run_document(batch_id)``.

    Each table gets its newest sealed batch up to this run's (a table that this run did not read keeps an older one);
    an increment is preceded by all batches back to the last full snapshot. A rebuild gets all batches in order.
    Tables that ingestion has stopped are left out, and so are those that reference them.

    Args:
        request: the run.
        configuration: the tables to choose from, and the models.
        bronze: the source's batches.

    Raises:
        ConfigurationError: a name of ``request.tables`` is not configured.
        BronzeError: a table has no sealed batch, an increment continues one that was deleted or was read for another
            key than the table's, or a file of a chosen batch is missing or of another size.
        StoppedTablesError: no table is left.
        LakeError: the document cannot be written.
    """
    stopped = stopped_tables(request.batch_id, configuration, bronze)
    names = {table.silver for table in stopped}
    chosen = configuration.tables.select(list(request.tables))
    tables = [table for table in chosen if table.silver not in names]
    if chosen and not tables:
        raise StoppedTablesError("\n".join(["no table is left to load:", *(f"  {t.message}" for t in stopped)]))
    unchanged = {group: read_unchanged(bronze, group) for group in {table.group for table in tables}}
    work = read_many(bronze.lake, partial(_table_work, request, bronze, unchanged), tables)
    without = [each.table.qualified_name for each in work if not each.batches]
    if without:
        raise BronzeError(
            f"no sealed bronze batch of {', '.join(without)} up to {request.batch_id}; "
            "hint: run midnight_pipeline for these tables first"
        )
    planned = planned_batches(bronze.lake.list_names(bronze.paths.run_documents))
    document = RunDocument(
        batch_id=request.batch_id,
        run_id=request.run_id,
        lake=bronze.paths.as_dict(),
        rebuild=request.rebuild,
        tables=tuple(work),
        models=configuration.models,
        refresh=refresh_plans(configuration.models, configuration.tables.tables),
        stopped=stopped,
        figures=read_figures(configuration.models, work, bronze),
        reconcile_every=configuration.tables.pipeline.reconcile_every,
        run_number=sum(batch < request.batch_id for batch in planned),
    )
    bronze.lake.write_text(bronze.paths.run_document(request.batch_id), document.to_json())
    return document


def stopped_tables(batch_id: str, configuration: RunConfiguration, bronze: BronzeStore) -> tuple[StoppedTable, ...]:
    """The tables that a run does not load: those that ingestion has stopped, and all that reference them.

    Raises:
        LakeError: a document cannot be read.
    """
    groups = [group.name for group in configuration.tables.pipeline.groups]
    return with_referencing_tables(configuration.tables.tables, read_stopped_tables(bronze, groups, batch_id))


def _table_work(
    request: RunRequest, bronze: BronzeStore, unchanged: Mapping[str, Mapping[str, UnchangedTable]], table: Table
) -> TableWork:
    """The batches of a table; none when it has no sealed one."""
    everything = complete_chains(bronze.sealed_batches(table)) if request.rebuild else []
    newest = bronze.newest_sealed_batch(table, not_after=None if request.rebuild else request.batch_id)
    chain = () if newest is None else batch_chain(newest, partial(bronze.read_manifest, table))
    check_chain(table, chain)
    batches = everything or chain
    for manifest in batches:
        bronze.verify_batch(manifest, content=False)
    checked = None if newest is None else unchanged_at(unchanged[table.group], table, newest)
    return TableWork(table=table, batches=tuple(batches), unchanged_at=checked)

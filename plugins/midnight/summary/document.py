"""The summary of a run, one JSON document per run in the lake: the page, `midnight status` and the alerts read it.

It holds no rows of the source but the offending values of columns that are not masked. It carries the figures of
earlier runs with it, so that a reader needs one document, whatever the age of the lake.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from midnight.lake.ledger import LedgerEntry

RUNS_KEPT = 60  # runs whose figures a summary carries


class SummaryModel(BaseModel):
    """Ignores unknown fields: a summary of a newer version stays readable after a rollback."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class BronzeBatch(SummaryModel):
    """The bronze batch that the rows of a table come from.

    Args:
        batch_id: of the batch.
        read_at: start of the snapshot; ``sealed_at`` when its manifest was written.
        unchanged_at: when a later run found that the source still has these rows; None if none did.
        mode: ``snapshot`` or ``incremental``.
        rows, files, bytes: of the batch.
        written_by: ``operator`` or ``data_factory``, with the version.
        server: database and PostgreSQL version.
    """

    batch_id: str
    read_at: datetime
    sealed_at: datetime
    unchanged_at: datetime | None = None
    mode: str
    rows: int
    files: int
    bytes: int
    written_by: str
    server: str

    @property
    def current_at(self) -> datetime:
        """The last time at which the source is known to have had these rows."""
        return self.unchanged_at or self.read_at


class TableSummary(SummaryModel):
    """One silver table after the run.

    Args:
        entry: the table's last ledger entry of this run, or of an earlier run if this one did not reach it.
        batch: None before the first batch.
        rows_before: rows of silver after each earlier run, oldest first, at most RUNS_KEPT.
        quarantined_new: rows in quarantine whose key was not there after the run before.
        reconciliation: how bronze compares with the source, in words; empty if it was not compared.
        schema_changes: what this run saw, one message each.
    """

    entry: LedgerEntry
    batch: BronzeBatch | None = None
    rows_before: tuple[int, ...] = ()
    quarantined_new: int = 0
    reconciliation: str = ""
    schema_changes: tuple[str, ...] = ()


class CheckSummary(SummaryModel):
    """A check of a silver table or gold model, passed or failed.

    Args:
        layer, table, name: which; ``table`` is the silver table or the gold model.
        requirement: the rule in words: ``lon is between -180 and 180``.
        on_failure: ``warn``, ``quarantine`` or ``fail``.
        rows: rows that were checked; ``failed_rows`` of them fail.
        failed_before: failed rows of each earlier run, oldest first, at most RUNS_KEPT.
        description, owner, link: of the check's configuration.
    """

    layer: Literal["silver", "gold"]
    table: str
    name: str
    requirement: str
    on_failure: Literal["warn", "quarantine", "fail"]
    rows: int
    failed_rows: int
    failed_before: tuple[int, ...] = ()
    description: str = ""
    owner: str = ""
    link: str = ""

    @property
    def share(self) -> float:
        """Failed rows per checked row, 0 to 1."""
        return self.failed_rows / self.rows if self.rows else 0.0

    @property
    def change(self) -> int:
        """How many more rows fail than after the run before; all of them without one."""
        return self.failed_rows - (self.failed_before[-1] if self.failed_before else 0)


class QuarantineExample(SummaryModel):
    """A rejected row: its key, and the column and value that the rule refused; the value is empty if it is masked."""

    key: str
    column: str = ""
    value: str = ""
    is_new: bool = False


class QuarantineSummary(SummaryModel):
    """The rows that one rule keeps out of a silver table.

    Args:
        table, rule: which.
        requirement: the rule in words.
        rows: of the newest batch; ``new_rows`` of them were not there after the run before.
        since: when a row of the rule was seen first, without an interruption since.
        examples: new ones first, at most three.
        hint: how to fix it.
        description, owner, link: of the check's configuration.
    """

    table: str
    rule: str
    requirement: str
    rows: int
    new_rows: int = 0
    since: datetime | None = None
    examples: tuple[QuarantineExample, ...] = ()
    hint: str = ""
    description: str = ""
    owner: str = ""
    link: str = ""


class ModelSummary(SummaryModel):
    """A gold model of the build.

    Args:
        built: ``whole``, ``by key``, ``same rows``, or ``kept`` if its definition and inputs have not changed.
        why: why it was built so.
        seconds: duration of query, write and checks; 0 if it was kept.
        checks, checks_failed: number of its checks.
    """

    name: str
    description: str
    rows: int
    built: str
    why: str = ""
    seconds: float = 0
    checks: int = 0
    checks_failed: int = 0


class Anomaly(SummaryModel):
    """A figure of this run that its history did not let expect (``midnight.expectations``).

    Args:
        table: silver table; empty for a figure of the whole run.
        figure: ``rows``, ``new``, ``quarantined share``, ``seconds`` ….
        value: of this run; ``low`` and ``high`` bound what was expected.
        message: for people.
        on_failure: ``warn`` or ``fail``.
    """

    table: str
    figure: str
    value: float
    low: float
    high: float
    message: str
    on_failure: Literal["warn", "fail"] = "warn"


class CostItem(SummaryModel):
    """A counted fact of a run times its price (``midnight.cost``).

    Args:
        part: ``databricks``, ``data_factory``, ``synapse``, ``storage``, ``key_vault``, ``power_bi``.
        fact: what was counted, in words with the unit; ``quantity`` how much.
        price: of one unit; ``amount`` in the currency of the price file.
        table: silver table or gold model that caused it; empty if none alone did.
    """

    part: str
    fact: str
    quantity: float
    price: float
    amount: float
    table: str = ""


class CostSummary(SummaryModel):
    """What a run cost: ``prices_of`` is the date of the price file, ``budget`` the run's; 0 without one."""

    currency: str
    prices_of: str
    total: float
    budget: float = 0
    items: tuple[CostItem, ...] = ()


class RunFigures(SummaryModel):
    """The figures of one run that later runs are compared with.

    Args:
        run_id, batch_id: of the run.
        due: its logical date; for a manual run the time of the trigger.
        state: ``published``, ``partial`` (some tables were stopped), ``failed``, or ``nothing to do``.
        published_at: when its build was published; None if it was not.
        seconds: of the run until the summary was written; ``stages`` of each stage (ingest, silver, gold, serve).
        rows_in, changed, quarantined, warnings: rows, summed over the tables.
    """

    run_id: str
    batch_id: str
    due: datetime
    state: Literal["published", "partial", "failed", "nothing to do"]
    published_at: datetime | None = None
    seconds: float = 0
    stages: dict[str, float] = {}
    rows_in: int = 0
    changed: int = 0
    quarantined: int = 0
    warnings: int = 0
    cost: float | None = None


class RunSummary(SummaryModel):
    """Everything about one run, for people.

    Args:
        figures: of this run.
        earlier: figures of the runs before, oldest first, at most RUNS_KEPT.
        written_at: when this document was written.
        pipeline: the source's name; ``timezone`` the pipeline's, in which times are shown.
        build_id: the build that readers see; empty before the first publication.
        data_up_to: the oldest ``BronzeBatch.current_at`` of the published tables; None before the first publication.
        tables: sorted by name; ``models`` as well.
        proof: what was compared with the source, one message each.
        unreadable_views: view of the schema ``midnight`` that cannot be read -> why; empty without a publication.
        releases: what was published although it failed: by whom, when and why; one message each.
    """

    version: Literal[1] = 1
    figures: RunFigures
    earlier: tuple[RunFigures, ...] = ()
    written_at: datetime
    pipeline: str
    timezone: str
    build_id: str = ""
    data_up_to: datetime | None = None
    tables: tuple[TableSummary, ...] = ()
    checks: tuple[CheckSummary, ...] = ()
    quarantine: tuple[QuarantineSummary, ...] = ()
    models: tuple[ModelSummary, ...] = ()
    proof: tuple[str, ...] = ()
    unreadable_views: dict[str, str] = {}
    releases: tuple[str, ...] = ()
    anomalies: tuple[Anomaly, ...] = ()
    cost: CostSummary | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """Failed and stopped tables, and tables whose rows do not add up; empty when every row is accounted for."""
        return tuple(
            table.entry.imbalance or f"{table.entry.table}: {table.entry.message or 'the last attempt failed'}"
            for table in self.tables
            if table.entry.imbalance or table.entry.status in ("failed", "stopped")
        )

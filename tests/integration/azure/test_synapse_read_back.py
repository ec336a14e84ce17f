"""What readers of Synapse's views get is what the job of gold has recorded, or the views are not replaced."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import mssql_python
import pytest

from midnight.configuration.columns import Column
from midnight.configuration.tables import Table
from midnight.errors import ReconciliationError
from midnight.gold_to_serving.publication import read_publication
from midnight.reconciliation.delta_rows import DeltaRows
from midnight.reconciliation.digest_states import make_state, write_states_locally
from midnight.reconciliation.row_sources import read_state
from midnight.reconciliation.run_records import read_step_records
from midnight.reconciliation.spark_columns import digest_plan
from midnight.run.document import RunDocument, TableWork
from midnight.silver_to_gold.builds import GoldBuild
from midnight_airflow.hooks.synapse import SynapseHook
from tests.fakes.synapse_workspace import Workspace
from tests.integration.azure.conftest import Publish
from tests.support.written_faults import FAULTS, damage
from tests.unit.conftest import SmallLake, sale

SALES = [sale(key, note=f"note {key}") for key in range(1, 9)]


@dataclasses.dataclass
class Gold:
    """Builds of gold, with what its job records about them."""

    lake: SmallLake
    batch: str

    def build(self, reconcile: str, *, every: int = 1) -> GoldBuild:
        """Build, and record the digests and the run document."""
        build = self.lake.build(self.batch, SALES)
        columns = (Column(name="id", type="bigint"),)
        table = Table(schema="public", table="sale", silver="sale", columns=columns, reconcile=reconcile)
        document = RunDocument(
            batch_id=self.batch,
            run_id="r",
            lake=self.lake.paths.as_dict(),
            tables=(TableWork(table=table, batches=()),),
            reconcile_every=every,
        )
        self.lake.files.write_text(self.lake.paths.run_document(self.batch), document.to_json())
        states = {}
        for name, model in build.models.items() if reconcile == "digests" else ():
            folder = build.model_path(self.lake.paths, name)
            plan = digest_plan([(column.name, column.type) for column in model.columns], model.key)
            states[name] = make_state(name, model.built_in, read_state(folder), plan, DeltaRows(folder).digest(plan))
        if states:
            write_states_locally(self.lake.paths.gold_digests, states)
        return build

    def sales(self, build: GoldBuild) -> str:
        """The folder of the model that a test damages."""
        return build.model_path(self.lake.paths, "fact_sale")

    def outcomes(self) -> dict[str, tuple[str, str]]:
        """View -> status and method of the newest record."""
        records = read_step_records(self.lake.paths.reconciliation)[-1].records
        return {record.table: (record.status, record.method) for record in records}


@pytest.fixture
def gold(small_lake: SmallLake, batch: str) -> Gold:
    """Nothing is built yet."""
    small_lake.reporting(total="SELECT SUM(pieces) AS pieces FROM gold.fact_sale")
    return Gold(small_lake, batch)


def test_a_view_that_shows_other_values_is_not_published(publish: Publish, gold: Gold, ready_workspace: Workspace):
    gold.build("digests")
    publish()
    assert set(gold.outcomes().values()) == {("equal", "digests")}
    before, commits = ready_workspace.synapse.views(), ready_workspace.synapse.requests["COMMIT"]
    for seed, fault in enumerate(FAULTS):
        build = gold.build("digests")
        key, columns = damage(gold.sales(build), fault, seed, key="sale_key")
        with pytest.raises(ReconciliationError, match=r"view gold\.fact_sale.*the views were not replaced") as raised:
            publish()
        message = str(raised.value)
        assert f"sale_key = '{key}'" in message, (fault, message)
        assert all(f"column {name!r}" in message for name in columns), (fault, message)
        assert gold.outcomes()["view gold.fact_sale"] == ("different", "digests")
        assert (ready_workspace.synapse.views(), ready_workspace.synapse.requests["COMMIT"]) == (before, commits)
    gold.build("digests")
    publish()
    assert ready_workspace.synapse.views() != before


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("pieces", "column 'pieces': counts; written has '8', read back has '9'; largest value"),
        ("note", "column 'note': counts; written has '8', read back has '7'; values"),
    ],
)
def test_counts_are_those_of_the_tables_log(publish: Publish, gold: Gold, column: str, message: str):
    build = gold.build("counts")
    rows = [row | ({"pieces": 9} if column == "pieces" else {"note": None}) for row in SALES[-1:]]
    _replace_file(gold, build, [*SALES[:-1], *rows])
    with pytest.raises(ReconciliationError) as raised:
        publish()
    assert f"view gold.fact_sale, {message}" in str(raised.value)
    assert read_publication(gold.lake.paths, gold.lake.files) is None


def test_off_compares_nothing(publish: Publish, gold: Gold):
    _replace_file(gold, gold.build("off"), SALES[:-1])
    publish()
    assert read_step_records(gold.lake.paths.reconciliation) == []


@pytest.mark.parametrize(("every", "reads"), [(1, 0), (2, 1)])
def test_a_view_of_the_last_publication_is_read_in_its_turn(
    publish: Publish, gold: Gold, ready_workspace: Workspace, every: int, reads: int
):
    build = gold.build("digests", every=every)
    publish()
    statements = ready_workspace.synapse.statements
    assert sum("AS [c0]" in sql for sql in statements) == len(build.models)
    statements.clear()
    publish()
    assert sum("AS [c0]" in sql for sql in statements) == reads
    assert set(gold.outcomes().values()) == {("equal", "digests")}


def test_rows_that_are_lost_while_the_views_are_replaced_restore_the_old_views(
    publish: Publish, gold: Gold, ready_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
):
    gold.build("counts")
    publish()
    before, build = ready_workspace.synapse.views(), gold.build("counts")
    replace = SynapseHook.run_in_transaction

    def lose_a_row(hook: SynapseHook, statements: list[str]) -> None:
        replace(hook, statements)
        if ready_workspace.synapse.requests["COMMIT"] == 2:
            damage(gold.sales(build), "lost row", 1, key="sale_key")

    monkeypatch.setattr(SynapseHook, "run_in_transaction", lose_a_row)
    with pytest.raises(ReconciliationError, match=r"view gold\.fact_sale has 7 rows, but build .* recorded 8"):
        publish()
    assert ready_workspace.synapse.views() == before


@pytest.mark.parametrize("function", ["CHECKSUM(pieces)", "BINARY_CHECKSUM(pieces)", "CHECKSUM_AGG(pieces)"])
def test_the_fake_rejects_what_serverless_pools_do_not_support(
    publish: Publish, gold: Gold, ready_workspace: Workspace, function: str
):
    """Pages CHECKSUM and BINARY_CHECKSUM: "not supported by serverless SQL pool"; CHECKSUM_AGG: not Azure Synapse."""
    gold.build("off")
    publish()
    with pytest.raises(mssql_python.Error, match="CHECKSUM"):
        ready_workspace.rows(f"SELECT {function} AS c FROM gold.fact_sale")


def _replace_file(gold: Gold, build: GoldBuild, rows: list[dict[str, object]]) -> None:
    """Other rows in the file of the table, of which the log has the figures of the rows before."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    (file,) = read_state(gold.sales(build)).files
    size = Path(file).stat().st_size
    pq.write_table(pa.Table.from_pylist(rows, pq.read_schema(file)), Path(file))
    log = Path(gold.sales(build), "_delta_log", f"{0:020}.json")
    log.write_text(log.read_text().replace(f'"size":{size}', f'"size":{Path(file).stat().st_size}'))

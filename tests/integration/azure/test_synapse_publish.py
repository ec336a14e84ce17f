"""Publishing on Synapse through Airflow's operator, the ODBC provider's hook and the real driver, over TLS."""

from __future__ import annotations

import re
import threading

import pytest

from midnight.errors import ServingError
from midnight.gold_to_serving.publication import read_publication
from midnight.gold_to_serving.publish_synapse import run_in_transaction
from midnight.gold_to_serving.run_views import RUN_VIEWS
from midnight.synapse.connection import connect
from tests.fakes.synapse_workspace import Workspace
from tests.integration.azure.conftest import Publish
from tests.unit.conftest import SmallLake, sale

TOTAL = "SELECT SUM(pieces) AS pieces FROM gold.fact_sale"


def test_readers_see_the_published_views(
    publish: Publish, batch: str, ready_workspace: Workspace, small_lake: SmallLake
):
    build = small_lake.build(batch, [sale(1), sale(2)])
    # "average" comes before "total" in the alphabet, and reads it
    small_lake.reporting(total=TOTAL, average="SELECT t.pieces / 2.0 AS half FROM reporting.total AS t")
    published = publish()
    assert published["build_id"] == build.build_id
    assert published["location"] == "midnight"
    assert sorted(published["views"]) == ["gold.dim_shop", "gold.fact_sale", "reporting.average", "reporting.total"]
    assert ready_workspace.rows("SELECT pieces FROM reporting.total") == [(3,)]
    assert ready_workspace.rows("SELECT shop_name FROM gold.dim_shop ORDER BY shop_key") == [
        ("Nørre",),
        ("O'Hara & <Sons>",),
    ]
    requests = ready_workspace.synapse.requests
    assert (requests["COMMIT"], requests["CREATE OR"]) == (1, 4 + len(RUN_VIEWS))


def test_publishing_the_same_build_again_changes_nothing(
    publish: Publish, batch: str, ready_workspace: Workspace, small_lake: SmallLake
):
    small_lake.build(batch, [sale(1)])
    small_lake.reporting(total=TOTAL)
    first = publish()
    views = ready_workspace.synapse.views()
    second = publish()
    assert ready_workspace.synapse.views() == views
    assert {**first, "published_at": ""} == {**second, "published_at": ""}


def of_data(workspace: Workspace) -> list[str]:
    """The views but those of the runs."""
    return sorted(name for name in workspace.synapse.views() if not name.startswith("midnight."))


def test_views_that_are_no_longer_defined_are_dropped(
    publish: Publish, batch: str, ready_workspace: Workspace, small_lake: SmallLake
):
    small_lake.build(batch, [sale(1)])
    small_lake.reporting(total=TOTAL, more="SELECT t.pieces FROM reporting.total AS t")
    publish()
    (small_lake.configuration / "sql" / "serving" / "total.sql").unlink()
    small_lake.reporting(more="SELECT s.shop_key FROM gold.dim_shop AS s")
    publish()
    assert of_data(ready_workspace) == ["gold.dim_shop", "gold.fact_sale", "reporting.more"]


def test_a_run_whose_gold_failed_changes_nothing_on_synapse(
    publish: Publish, batch: str, ready_workspace: Workspace, small_lake: SmallLake
):
    small_lake.build("another run", [sale(1)])
    with pytest.raises(ServingError, match="has no complete build of gold"):
        publish()
    assert ready_workspace.synapse.requests["COMMIT"] == 0
    assert len(ready_workspace.synapse.statements) == 1, "how much was processed so far"


# Batches of one publication: the query for existing views, probes of two tables, three schemas, three views and those
# of the runs, two drops; then, after the commit, probes of the views. Those of the runs are read last.
BEFORE_COMMIT = 11 + len(RUN_VIEWS)
FIRST = 1  # before it the task asks how much was processed so far, which may fail; and again at the end
BATCHES = BEFORE_COMMIT + 3


@pytest.fixture
def published_before(publish: Publish, batch: str, ready_workspace: Workspace, small_lake: SmallLake) -> dict[str, str]:
    """Yesterday's views; the next publication changes all base views and drops two of three reporting views."""
    small_lake.build(batch, [sale(1)])
    small_lake.reporting(total=TOTAL, shops="SELECT shop_key FROM gold.dim_shop", days="SELECT day FROM gold.fact_sale")
    publish()
    views = ready_workspace.synapse.views()
    small_lake.build(batch, [sale(1), sale(2), sale(3)])
    for name in ("shops", "days"):
        (small_lake.configuration / "sql" / "serving" / f"{name}.sql").unlink()
    small_lake.reporting(total=TOTAL)
    ready_workspace.synapse.statements.clear()
    return views


def test_a_failure_at_any_position_leaves_the_old_views(
    publish: Publish, published_before: dict[str, str], ready_workspace: Workspace, small_lake: SmallLake
):
    synapse = ready_workspace.synapse
    record = read_publication(small_lake.paths, small_lake.files)
    for position in range(FIRST, FIRST + BATCHES):
        synapse.fail(position, "Query timeout expired." if position % 2 else None)
        reason = "Query timeout expired" if position % 2 else "Connection closed|TCP Provider"
        with pytest.raises(
            ServingError, match=rf"Synapse refused .*({reason}).*have the views of the last publication"
        ):
            publish()
        after = max(0, position - FIRST - BEFORE_COMMIT + 1)  # a commit of the new views, and one of the old ones
        assert synapse.requests["COMMIT"] == 1 + 2 * after
        assert synapse.views() == published_before, position
        assert ready_workspace.rows("SELECT pieces FROM reporting.total") == [(1,)], position
        assert read_publication(small_lake.paths, small_lake.files) == record, position
    synapse.statements.clear()
    publish()
    assert len(synapse.statements) == FIRST + BATCHES + len(RUN_VIEWS) + 1
    assert ready_workspace.rows("SELECT pieces FROM reporting.total") == [(6,)]
    assert of_data(ready_workspace) == ["gold.dim_shop", "gold.fact_sale", "reporting.total"]


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        (
            "Content of directory on path 'https://a.dfs.core.windows.net/gold/m/_delta_log/*.*' cannot be listed.",
            "Storage Blob Data Reader on gold",
        ),
        ("This query cannot be executed due to current resource constraints.", "try again later"),
        ("You do not have permission to use the bulk load statement.", "make synapse"),
    ],
)
def test_common_errors_have_a_hint(
    publish: Publish, published_before: dict[str, str], ready_workspace: Workspace, message: str, hint: str
):
    ready_workspace.synapse.fail(FIRST, message)
    with pytest.raises(ServingError, match=f"{re.escape(message)}.*hint: .*{hint}"):
        publish()
    assert ready_workspace.synapse.views() == published_before


@pytest.mark.parametrize(("when", "expected"), [("before", 1), ("after", 6)])
def test_a_connection_lost_while_committing_leaves_all_or_nothing(
    publish: Publish,
    published_before: dict[str, str],
    ready_workspace: Workspace,
    when: str,
    expected: int,
):
    ready_workspace.synapse.lose(when)
    with pytest.raises(ServingError, match=r"lost during the commit: .* either all views are new or none is"):
        publish()
    assert ready_workspace.rows("SELECT pieces FROM reporting.total") == [(expected,)]
    publish()
    assert ready_workspace.rows("SELECT pieces FROM reporting.total") == [(6,)]


OVER_BUDGET = (
    "Query is rejected because SQL Serverless budget limit for a period is exceeded. "
    "(Period = Daily: Limit = 1 TB, Data processed = 1 TB))"
)


def test_an_exhausted_data_limit_does_not_prevent_a_publication(
    publish: Publish, published_before: dict[str, str], ready_workspace: Workspace, capsys: pytest.CaptureFixture[str]
):
    """DDL processes no data ("Data processed", cost management of serverless SQL pool): it is not rejected."""
    ready_workspace.synapse.fail(FIRST + 1, OVER_BUDGET)
    publish()
    assert ready_workspace.rows("SELECT pieces FROM reporting.total") == [(6,)]
    assert f"the views are published, but were not probed: {OVER_BUDGET}" in "".join(capsys.readouterr())


def test_the_fake_rejects_queries_over_files_in_a_transaction_with_definitions(
    publish: Publish, published_before: dict[str, str], ready_workspace: Workspace
):
    server, read = ready_workspace.server(), "SELECT TOP (1) 1 AS [a] FROM [gold].[fact_sale]"
    drop = "DROP VIEW IF EXISTS [reporting].[days]"
    for statements in ([drop, read], [read, drop]):
        with pytest.raises(ServingError, match="not allowed within a transaction that changes metadata"):
            run_in_transaction(connect(server), statements, server)
    assert ready_workspace.synapse.views() == published_before


def test_a_failed_restore_is_reported(
    publish: Publish, published_before: dict[str, str], ready_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
):
    synapse = ready_workspace.synapse
    synapse._faults = [*[""] * (FIRST + BEFORE_COMMIT), *["Query timeout expired."] * 2]
    with pytest.raises(ServingError, match=r"could not be restored either .*readers have the new ones"):
        publish()
    assert ready_workspace.rows("SELECT pieces FROM reporting.total") == [(6,)]


def test_an_unreadable_view_restores_the_old_views(
    publish: Publish, batch: str, ready_workspace: Workspace, small_lake: SmallLake
):
    small_lake.build(batch, [sale(1)])
    small_lake.reporting(total=TOTAL)
    publish()
    before = ready_workspace.synapse.views()
    small_lake.build(batch, [sale(1), sale(2)])
    rights = ready_workspace.synapse.databases["midnight"].rights
    rights.remove(("GRANT", "SELECT", "SCHEMA", "reporting", "midnight_read"))
    with pytest.raises(ServingError, match=r"SELECT permission was denied on the object 'total'.*make synapse"):
        publish()
    assert ready_workspace.synapse.views() == before


def test_a_connection_lost_while_the_views_of_the_runs_are_read_takes_nothing_back(
    publish: Publish, published_before: dict[str, str], ready_workspace: Workspace
):
    ready_workspace.synapse.fail(FIRST + BATCHES, None)  # the first of them; the others get another connection
    assert list(publish()["unreadable"]) == [f"midnight.{RUN_VIEWS[0].name}"]
    assert ready_workspace.rows("SELECT pieces FROM reporting.total") == [(6,)]


def test_readers_see_only_old_or_new_views_during_a_publication(
    publish: Publish, published_before: dict[str, str], ready_workspace: Workspace
):
    seen: list[tuple[int, ...]] = []
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            seen.append(ready_workspace.rows("SELECT pieces FROM reporting.total")[0])

    def wait_for_reads() -> None:
        count = len(seen)
        while len(seen) < count + 2:
            assert reader.is_alive()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        wait_for_reads()  # the first query takes longer than a publication
        publish()
        wait_for_reads()
    finally:
        ended.set()
        reader.join()
    assert sorted(set(seen)) == [(1,), (6,)]
    assert seen == sorted(seen)

"""Publishing and the report as Airflow runs them; Synapse behind an ODBC connection that refuses when told to."""

from __future__ import annotations

import sys
from types import ModuleType
from unittest.mock import MagicMock, create_autospec

import pytest

from midnight.errors import ServingError
from midnight.lake_files import open_local_lake
from midnight.lake_paths import LakePaths
from midnight_airflow.operators import publish_views
from midnight_airflow.operators.publish_views import PublishViewsOperator, run_in_transaction
from midnight_airflow.operators.refresh_report import RefreshReportOperator
from midnight_airflow.run_context import batch_id
from tests.serving.conftest import SmallLake, sale


class OdbcError(Exception):
    """Stands for pyodbc.Error: pyodbc needs a library of the machine that a laptop lacks."""


@pytest.fixture
def pyodbc(monkeypatch):
    module = ModuleType("pyodbc")
    module.Error = OdbcError
    monkeypatch.setitem(sys.modules, "pyodbc", module)


class Connection:
    """An ODBC connection; statements count once they are committed."""

    def __init__(self, refuse: str = "") -> None:
        self.refuse = refuse
        self.open: list[str] = []
        self.committed: list[str] = []
        self.closed = False

    def execute(self, statement: str) -> None:
        if self.refuse and self.refuse in statement:
            raise OdbcError("42S22", "Invalid column name")
        self.open.append(statement)

    def commit(self) -> None:
        self.committed += self.open

    def close(self) -> None:
        self.closed = True


def hook(connection: Connection) -> MagicMock:
    return MagicMock(get_conn=lambda: connection, get_records=lambda sql: [("reporting", "gone")])


@pytest.fixture
def small_lake(local_home, monkeypatch):
    (local_home / "include").mkdir()
    monkeypatch.setenv("MIDNIGHT_CONFIG", str(local_home / "include"))
    return SmallLake(local_home)


def test_views_and_report_of_a_night(small_lake, dag_run):
    publish = PublishViewsOperator(task_id="gold_to_serving")
    report = RefreshReportOperator(task_id="refresh_report")
    context = dag_run.try_task(publish)
    build = small_lake.build(batch_id(context), [sale(1), sale(2)])
    published = publish.execute(context)
    assert published["build_id"] == build.build_id
    assert published["views"] == {"gold.dim_shop": 2, "gold.fact_sale": 2}
    assert published["published_by"] == dag_run.run_id
    page = report.execute(dag_run.try_task(report))
    assert page == str(small_lake.home / "report" / "index.html")
    assert build.build_id in (small_lake.home / "report" / "index.html").read_text()


def test_a_night_without_gold_fails(small_lake, dag_run):
    publish = PublishViewsOperator(task_id="gold_to_serving")
    with pytest.raises(ServingError, match="has no complete build of gold"):
        publish.execute(dag_run.try_task(publish))


@pytest.fixture
def azure_lake(small_lake, azure, monkeypatch):
    """The azure profile, its containers as folders of this machine."""
    monkeypatch.setattr(LakePaths, "in_account", classmethod(lambda cls, account: small_lake.paths))
    monkeypatch.setattr(publish_views, "open_lake", lambda settings: open_local_lake())
    return small_lake


def test_synapse_gets_all_statements_in_one_transaction(azure_lake, dag_run, monkeypatch, pyodbc):
    connection = Connection()
    operator = PublishViewsOperator(task_id="gold_to_serving")
    monkeypatch.setattr(operator, "_synapse", create_autospec(operator._synapse, return_value=hook(connection)))
    context = dag_run.try_task(operator)
    build = azure_lake.build(batch_id(context), [sale(1)])
    published = operator.execute(context)
    assert published["engine"] == "synapse"
    assert connection.closed
    assert "DROP VIEW IF EXISTS [reporting].[gone]" in connection.committed
    assert [s for s in connection.committed if f"fact_sale/{build.build_id}/" in s] != []


def test_a_refused_statement_is_named_and_nothing_is_committed(pyodbc):
    connection = Connection(refuse="b")
    with pytest.raises(ServingError, match=r"Synapse refused 'SELECT b FROM x': .*Invalid column name"):
        run_in_transaction(hook(connection), ["SELECT a", "SELECT b\nFROM  x", "SELECT c"])
    assert (connection.committed, connection.closed) == ([], True)

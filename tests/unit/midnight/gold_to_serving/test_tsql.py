"""sqlfluff parses every T-SQL statement that is sent, and every view of the repository."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlfluff.core import FluffConfig, Linter

from midnight.gold_to_serving.base_views import base_views_of_build, base_views_of_contracts
from midnight.gold_to_serving.reporting_views import load_reporting_views
from midnight.gold_to_serving.synapse_statements import (
    EXISTING_VIEWS,
    ExistingView,
    file_probe,
    publication_statements,
    view_probe,
)
from midnight.settings import REPOSITORY
from midnight.silver_to_gold.load_contracts import load_gold_contracts
from tests.unit.conftest import sale

INCLUDE = REPOSITORY / "include"


@pytest.fixture(scope="module")
def linter() -> Linter:
    return Linter(config=FluffConfig.from_path(str(REPOSITORY)))


def violations(linter: Linter, sql: str) -> list[str]:
    return [str(violation) for violation in linter.parse_string(sql + "\n").violations]


def test_every_statement_for_synapse_is_t_sql(lake, linter):
    build = lake.build("B1", [sale(1)])
    lake.reporting(v="SELECT pieces FROM gold.fact_sale")
    views = base_views_of_build(build)
    existing = [ExistingView(*names, "") for names in (("gold", 'old "view"'), ("reporting", "it's old"), ("dbo", "x"))]
    reporting = load_reporting_views(lake.configuration, views)
    statements = [file_probe(view, build.models[view.name].path) for view in views]
    statements += publication_statements(build, views, reporting, existing)
    statements += [view_probe("reporting", view.name) for view in reporting]
    assert {sql: violations(linter, sql) for sql in [*statements, EXISTING_VIEWS]} == {
        sql: [] for sql in [*statements, EXISTING_VIEWS]
    }


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE OR ALTER VEIW reporting.v AS SELECT a FROM gold.x",
        "CREATE OR ALTER VIEW [gold].[x] AS SELECT [a] FROM OPENROWSET(BULK 'x/' DATA_SOURCE = 'gold') AS r",
        "CREATE OR ALTER VIEW reporting.v AS SELECT a FROM gold.x WHERE (",
    ],
)
def test_an_invalid_statement_is_rejected(linter, sql):
    assert violations(linter, sql) != []


def test_the_demo_views_are_valid(linter):
    files = sorted((INCLUDE / "sql" / "serving").glob("*.sql"))
    linted = {file.name: [str(v) for v in linter.lint_path(str(file)).get_violations()] for file in files}
    assert linted == {file.name: [] for file in files}
    views = base_views_of_contracts(load_gold_contracts(INCLUDE))
    reporting = load_reporting_views(INCLUDE, views)

    assert sorted(view.name for view in reporting) == [Path(file).stem for file in files]

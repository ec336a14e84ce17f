"""Views of public reports that once returned wrong results or failed after the run, from files as users write them.

The T-SQL answers are those of Microsoft's documentation: "CAST and CONVERT", "+ (string concatenation)", "LEN",
"FORMAT", "FROM - Using APPLY", "ROUND", "TOP", "AT TIME ZONE".
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from midnight.errors import ConfigurationError
from midnight.gold_to_serving.base_views import BaseView, ViewColumn
from midnight.gold_to_serving.local_views import prepare_database
from midnight.gold_to_serving.reporting_views import load_reporting_views

VIEWS = {
    "flags": {
        "id": "INT",
        "rate": "DECIMAL(8,4)",
        "share": "DOUBLE",
        "active": "BOOLEAN",
        "code": "STRING",
        "ts": "TIMESTAMP",
    },
    "members": {"id": "INT", "level": "INT", "joined": "DATE"},
}
BASE = tuple(BaseView(name, tuple(ViewColumn(*item) for item in columns.items())) for name, columns in VIEWS.items())
ROWS = (
    "CREATE TABLE gold.flags AS SELECT * FROM (VALUES "
    "(1, 2.75::DECIMAL(8,4), 1234567.891::DOUBLE, true, 'A1', TIMESTAMP '2024-02-29'), "
    "(2, -2.75, 2.5, false, 'ab', TIMESTAMP '2024-02-29 12:00:00.25'), (3, 0.5, -2.5, NULL, 'ab  ', NULL)"
    ") AS v (id, rate, share, active, code, ts)",
    "CREATE TABLE gold.members AS SELECT * FROM (VALUES "
    "(1, 1, DATE '2024-01-05'), (2, -7, DATE '2024-01-20'), (3, 3, DATE '2024-02-01')) AS v (id, level, joined)",
)
FLAGS, MEMBERS = "FROM gold.flags AS f", "FROM gold.members AS m"
Answer = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def answer(tmp_path: Path) -> Answer:
    """Rows of a reporting view with this query, in any order."""

    def rows(query: str) -> list[tuple[Any, ...]]:
        folder = tmp_path / "sql" / "serving"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "v.sql").write_text(f"CREATE OR ALTER VIEW reporting.v AS\n{query}\n", encoding="utf-8")
        (view,) = load_reporting_views(tmp_path, BASE)
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'America/New_York'")
            prepare_database(connection)
            for statement in (*ROWS, view.duckdb):
                connection.execute(statement)
            return sorted(connection.execute("SELECT * FROM reporting.v").fetchall(), key=repr)

    return rows


ANSWERS: dict[str, list[tuple[Any, ...]]] = {
    # 03: casts to whole numbers truncate
    f"SELECT f.id AS id, CAST(f.rate AS INT) AS whole {FLAGS}": [(1, 2), (2, -2), (3, 0)],
    f"SELECT f.id AS id, CONVERT(BIGINT, f.share) AS whole {FLAGS}": [(1, 1234567), (2, 2), (3, -2)],
    # 04: the length of CONVERT
    f"SELECT CONVERT(VARCHAR(6), m.joined, 112) AS k, COUNT(*) AS n {MEMBERS} "
    "GROUP BY CONVERT(VARCHAR(6), m.joined, 112)": [
        ("202401", 2),
        ("202402", 1),
    ],
    f"SELECT CONVERT(CHAR(7), m.joined, 120) AS k {MEMBERS} WHERE m.id = 1": [("2024-01",)],
    f"SELECT CONVERT(VARCHAR(10), f.ts, 120) AS k {FLAGS} WHERE f.id = 2": [("2024-02-29",)],
    f"SELECT TRY_CONVERT(VARCHAR(2), f.code + 'x') AS k {FLAGS} WHERE f.id = 1": [("A1",)],
    # 06: BIT, dates and floats as texts
    f"SELECT f.id AS id, CONCAT('active=', f.active) AS a, CAST(f.active AS VARCHAR(5)) AS t {FLAGS}": [
        (1, "active=1", "1"),
        (2, "active=0", "0"),
        (3, "active=", None),
    ],
    f"SELECT CONCAT(f.ts, '') AS a, CAST(f.ts AS VARCHAR(30)) AS t {FLAGS} WHERE f.id = 1": [
        ("2024-02-29 00:00:00.000000", "2024-02-29 00:00:00.000000")
    ],
    f"SELECT CAST(f.share AS VARCHAR(30)) AS a {FLAGS} WHERE f.id = 1": [("1.23457e+006",)],
    # 07: a number and a text
    f"SELECT m.level + '1' AS n {MEMBERS} WHERE m.id = 2": [(-6,)],
    # 08: trailing blanks and dates
    f"SELECT LEN(f.code) AS n {FLAGS} WHERE f.code = 'ab'": [(2,), (2,)],
    f"SELECT COUNT(*) AS n {FLAGS} GROUP BY f.code": [(1,), (2,)],
    f"SELECT COUNT(DISTINCT f.code) AS n {FLAGS}": [(2,)],
    "SELECT a.id AS a, b.id AS b FROM gold.flags AS a INNER JOIN gold.flags AS b ON a.code = b.code AND a.id < b.id": [
        (2, 3)
    ],
    # 09: APPLY
    f"SELECT m.id AS id, v.k AS k, v.val AS val {MEMBERS} "
    "CROSS APPLY (VALUES ('level', m.level), ('id', m.id)) AS v (k, val) WHERE m.id = 2": [
        (2, "id", 2),
        (2, "level", -7),
    ],
    f"SELECT m.id AS id, x.code AS code {MEMBERS} "
    f"OUTER APPLY (SELECT TOP (1) f.code {FLAGS} WHERE f.id < m.id ORDER BY f.id DESC) AS x": [
        (1, None),
        (2, "A1"),
        (3, "ab"),
    ],
    # 10: queries that failed after the run
    f"SELECT CAST(ROUND(f.rate, 1, 1) AS VARCHAR(10)) AS r {FLAGS} WHERE f.id = 2": [("-2.7000",)],
    f"SELECT TOP (1) WITH TIES f.code AS c {FLAGS} ORDER BY f.code DESC": [("ab",), ("ab  ",)],
    "SELECT CONVERT(VARCHAR(16), CAST("
    "f.ts AT TIME ZONE 'UTC' AT TIME ZONE 'W. Europe Standard Time' AS DATETIME2(0)), 120)"
    f" AS t {FLAGS} WHERE f.id = 1": [("2024-02-29 01:00",)],
    # 19: FORMAT
    "SELECT FORMAT(0.256, 'P1') AS a, FORMAT(CAST('12345678901234567.89' AS DECIMAL(20,2)), 'N2') AS b": [
        ("25.6 %", "12,345,678,901,234,567.89")
    ],
    "SELECT FORMAT(CAST(1.005 AS DECIMAL(5,3)), '0.00') AS a, FORMAT(2.50, 'N0') AS b": [("1.01", "3")],
}


@pytest.mark.parametrize("query", ANSWERS)
def test_the_result_of_t_sql(answer, query):
    assert answer(query) == sorted(ANSWERS[query], key=repr)


REFUSED = {
    f"SELECT m.level + '-' + f.code AS label {MEMBERS} INNER JOIN gold.flags AS f ON f.id = m.id": "write CONCAT(…)",
    f"SELECT m.level + '-' + CAST(m.id AS VARCHAR(5)) AS label {MEMBERS}": "write CONCAT(…)",
    "SELECT CONVERT(INT, 'ab') AS n": "TRY_CAST to get NULL",
    f"SELECT CAST(f.ts AT TIME ZONE 'W. Europe Standard Time' AS DATE) AS d {FLAGS}": "start from UTC",
    f"SELECT CONVERT(VARCHAR(16), f.ts AT TIME ZONE 'UTC', 120) AS t {FLAGS}": "with style 120 is not supported",
}


@pytest.mark.parametrize("query", REFUSED)
def test_refused_before_the_run(answer, query):
    with pytest.raises(ConfigurationError, match=r"sql/serving/v\.sql:2: ") as caught:
        answer(query)
    assert REFUSED[query] in str(caught.value)


def test_a_date_of_a_text(answer):
    (row,) = answer(
        "SELECT CAST(TRY_CAST('20240131' AS DATE) AS VARCHAR(10)) AS d, TRY_CAST('2024-02-30' AS DATE) AS e"
    )
    assert row == ("2024-01-31", None)


@pytest.mark.parametrize(
    "query",
    [
        f"SELECT m.level / (m.id - 2) AS n {MEMBERS}",
        f"SELECT CAST(f.code AS INT) AS n {FLAGS}",
        f"SELECT CAST(m.id + 253 AS TINYINT) AS n {MEMBERS}",
        f"SELECT m.id + 2147483645 AS n {MEMBERS}",
        f"SELECT DATEADD(year, 7976 + m.id, m.joined) AS d {MEMBERS}",
        f"SELECT SUBSTRING(f.code, 1, f.id - 2) AS c {FLAGS}",
        f"SELECT (SELECT m.id {MEMBERS} WHERE m.id < f.id) AS n {FLAGS}",
    ],
)
def test_an_error_in_t_sql_is_an_error_in_duckdb(answer, query):
    with pytest.raises(duckdb.Error):
        answer(query)

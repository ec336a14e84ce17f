"""Reporting views: rejected SQL with its reason, the order of views, and that DuckDB returns the values of T-SQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from midnight.errors import ConfigurationError
from midnight.gold_to_serving.base_views import BaseView, ViewColumn
from midnight.gold_to_serving.reporting_views import azure_only, load_reporting_views
from tests.unit.conftest import MODELS, sale

BASE = tuple(BaseView(name, tuple(ViewColumn(*item) for item in columns.items())) for name, columns in MODELS.items())
HEAD = "CREATE OR ALTER VIEW reporting.v AS\n"


def load(folder: Path, **texts: str):
    (folder / "sql" / "serving").mkdir(parents=True)
    for name, text in texts.items():
        (folder / "sql" / "serving" / f"{name}.sql").write_text(text, encoding="utf-8")
    return load_reporting_views(folder, BASE)


REFUSED = {
    "SELECT pieces FROM gold.fact_sale ORDER BY pieces": "ORDER BY is allowed in a view only with TOP or OFFSET",
    "SELECT * FROM gold.fact_sale": "name the columns instead of '*'",
    "SELECT f.* FROM gold.fact_sale AS f": "name the columns instead of '*'",
    "SELECT pieces / 0 AS q FROM gold.fact_sale": "division by zero",
    "SELECT 5 / (3 - 3) AS q FROM gold.fact_sale": "a constant expression fails for every reader",
    "SELECT CAST('2024-02-30' AS DATE) AS q FROM gold.fact_sale": "a constant expression fails for every reader",
    "SELECT CAST('31.12.2024' AS DATE) AS q FROM gold.fact_sale": "or CONVERT with a style",
    "SELECT pieces + '-' AS q FROM gold.fact_sale": "write CONCAT(…) to join texts",
    "SELECT NOW() AS q FROM gold.fact_sale": "write GETUTCDATE()",
    "SELECT WHATEVER(pieces) AS q FROM gold.fact_sale": "docs/tsql.md lists what is translated",
    "SELECT SUM(pieces, 2) AS q FROM gold.fact_sale": "SUM has 2 arguments",
    "SELECT SUM(pieces) WITHIN GROUP (ORDER BY day) AS q FROM gold.fact_sale": "SUM takes no WITHIN GROUP",
    "SELECT STRING_AGG(note, ',') AS q FROM gold.fact_sale": "WITHIN GROUP (ORDER BY x)",
    "SELECT TOP (1) pieces FROM gold.fact_sale": "add ORDER BY with a unique column last",
    "SELECT pieces FROM gold.fact_sale WHERE note COLLATE Latin1_General_CI_AS = 'a'": "write LOWER(a) = LOWER(b)",
    "SELECT SUM(is_returned) AS q FROM gold.fact_sale": "T-SQL does not aggregate BIT",
    "SELECT pieces + 1 FROM gold.fact_sale": "needs a name: AS …",
    "SELECT pieces, shop_key AS Pieces FROM gold.fact_sale": "is selected twice",
    "SELECT pieces FROM gold.fact_sale WHERE is_returned": "compare it: a BIT column with = 1",
    "SELECT CASE WHEN is_returned THEN 1 END AS q FROM gold.fact_sale": "a value is not a condition in T-SQL",
    "SELECT pieces > 1 AS q FROM gold.fact_sale": "cannot select a condition",
    "SELECT shop_key, COUNT(*) AS n FROM gold.fact_sale GROUP BY 1": "group by position",
    "SELECT UPPER(note) AS u, COUNT(*) AS n FROM gold.fact_sale GROUP BY u": "Column 'u' could not be resolved",
    "SELECT DATEPART(weekday, day) AS w FROM gold.fact_sale": "depends on SET DATEFIRST of the reader's session",
    "SELECT pieces INTO t FROM gold.fact_sale": "cannot create a table",
    "SELECT pieces FROM #t": "temporary table",
    "SELECT pieces FROM gold.fact_sale LIMIT 3": "T-SQL has no LIMIT",
    "SELECT pieces::int AS p FROM gold.fact_sale": "write CAST",
    "SELECT note || 'x' AS p FROM gold.fact_sale": "write CONCAT",
    "SELECT @x AS p FROM gold.fact_sale": "no variables",
    "SELECT pieces FROM gold.fact_sale WHERE is_returned = TRUE": "T-SQL has no TRUE",
    "SELECT pieces FROM gold.fact_sale OPTION (MAXDOP 1)": "query options cannot be used in a view",
    "SELECT p FROM OPENROWSET(BULK 'x', FORMAT = 'DELTA') AS r": "not files",
    "SELECT pieces FROM fact_sale": "each qualified with its schema",
    "SELECT pieces FROM other.gold.fact_sale": "each qualified with its schema",
    "SELECT pieces FROM silver.sales": "each qualified with its schema",
    "SELECT pieces FROM gold.nothing": "which does not exist; hint: use one of",
    "SELECT pieces FROM gold.Fact_Sale": "hint: write 'gold.fact_sale', since names in Synapse's UTF-8",
    "SELECT Pieces FROM gold.fact_sale": "Column 'Pieces' could not be resolved",
    "SELECT colour FROM gold.fact_sale": "Column 'colour' could not be resolved",
    "SELECT pieces FROM reporting.v": "cycle: reporting.v -> reporting.v",
    "SELECT FROM gold.fact_sale": "names no column",
    "SELECT pieces FROM gold.fact_sale WHERE (": "is not T-SQL",
    "SELECT pieces FROM gold.fact_sale; DROP VIEW gold.fact_sale": "must hold one statement",
}


@pytest.mark.parametrize("query", REFUSED)
def test_refused_with_a_hint(tmp_path, query):
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, v=HEAD + query)
    assert REFUSED[query] in str(caught.value)
    assert {problem.where for problem in caught.value.problems} == {"sql/serving/v.sql"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold one statement"),
        ("DROP VIEW gold.fact_sale", "must hold one statement"),
        ("CREATE OR ALTER VEIW reporting.v AS SELECT pieces FROM gold.fact_sale", "must hold one statement"),
        ("CREATE VIEW reporting.v AS SELECT pieces FROM gold.fact_sale", "must hold one statement"),
        ("CREATE TABLE reporting.v (a INT)", "must hold one statement"),
        ("CREATE OR ALTER VIEW reporting.w AS SELECT pieces FROM gold.fact_sale", "creates 'reporting.w'"),
        ("CREATE OR ALTER VIEW gold.v AS SELECT pieces FROM gold.fact_sale", "creates 'gold.v'"),
        ("CREATE OR ALTER VIEW reporting.v (a) AS SELECT pieces FROM gold.fact_sale", "name the columns in the SELECT"),
    ],
)
def test_a_file_holds_its_own_view(tmp_path, text, message):
    with pytest.raises(ConfigurationError, match=r"sql/serving/v\.sql") as caught:
        load(tmp_path, v=text)
    assert message in str(caught.value)


def test_all_problems_of_all_files_at_once_with_their_lines(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        load(
            tmp_path,
            v=HEAD + "SELECT\n    LENGTH(note) AS a,\n    SUM(is_returned) AS b\nFROM gold.fact_sale",
            w="CREATE OR ALTER VIEW reporting.w AS\nSELECT\n    x\nFROM gold.nothing",
            fine="CREATE OR ALTER VIEW reporting.fine AS SELECT pieces FROM gold.fact_sale",
        )
    expected = [("sql/serving/v.sql", 3), ("sql/serving/v.sql", 4), ("sql/serving/w.sql", 4)]
    assert [(problem.where, problem.line) for problem in caught.value.problems] == expected


def test_views_follow_those_that_they_read(tmp_path):
    views = load(
        tmp_path,
        a="CREATE OR ALTER VIEW reporting.a AS SELECT n FROM reporting.m",
        m="CREATE OR ALTER VIEW reporting.m AS SELECT n FROM reporting.z",
        z="CREATE OR ALTER VIEW reporting.z AS SELECT COUNT(*) AS n FROM gold.fact_sale",
    )
    expected = [("z", ("gold.fact_sale",)), ("m", ("reporting.z",)), ("a", ("reporting.m",))]
    assert [(view.name, view.references) for view in views] == expected


def test_a_cycle_is_shown(tmp_path):
    with pytest.raises(ConfigurationError, match=r"cycle: reporting\.\w -> reporting\.\w -> reporting\.\w;"):
        load(
            tmp_path,
            a="CREATE OR ALTER VIEW reporting.a AS SELECT n FROM reporting.b",
            b="CREATE OR ALTER VIEW reporting.b AS SELECT n FROM reporting.a",
        )


def test_common_table_expressions_are_not_views(tmp_path):
    (view,) = load(tmp_path, v=HEAD + "WITH sums AS (SELECT pieces FROM gold.fact_sale)\nSELECT pieces FROM sums")
    assert view.references == ("gold.fact_sale",)


# T-SQL -> the value in SQL Server over sales 1 to 4 (pieces 1 to 4, weight 0.5 to 2, returned: 3)
ANSWERS = {
    "SUM(pieces) / NULLIF(COUNT(*), 0)": 2,  # an integer, truncated: 10 / 4
    "AVG(pieces)": 2,
    "AVG(CAST(pieces AS FLOAT))": 2.5,
    "SUM(CAST(pieces AS FLOAT)) / NULLIF(COUNT(*), 0)": 2.5,
    "SUM(CAST(0.1 AS FLOAT)) * 10": 4.0,  # 53 bits
    "CAST(1.0 / 3 AS FLOAT(24))": pytest.approx(0.333333),  # decimal(7,6), truncated
    "SUM(CASE WHEN is_returned = 1 THEN 1 ELSE 0 END)": 1,
    "MAX(CAST(is_returned AS INT))": 1,
    "MAX(note + '!')": "n3!",
    "MAX(CAST('abcdef' AS VARCHAR(3)))": "abc",
    "MAX(ISNULL(note, 'none'))": "none",
    "MAX(IIF(pieces > 3, 'many', 'few'))": "many",
    "MAX(LEN(note))": 2,
    "MAX(FORMAT(1234.5, 'N1'))": "1,234.5",
    "MAX(FORMAT(0.256, 'P1'))": "25.6 %",
    "MAX(FORMAT(day, 'yyyy-MM'))": "2026-01",
    "MAX(DATEDIFF(day, '2025-12-30', day))": 2,
    "MAX(YEAR(day))": 2026,
    "MAX(CONVERT(VARCHAR(10), day, 23))": "2026-01-01",
    "MAX(CONCAT(note, '-', pieces))": "n3-3",
    "MAX(CHARINDEX('3', note))": 2,
    "COUNT_BIG(*)": 4,
    "MAX(N'ü')": "ü",
    "MAX(IIF(GETUTCDATE() > '2026-01-01' AND GETDATE() < DATEADD(second, 1, SYSUTCDATETIME()), 1, 0))": 1,
    "MAX(IIF(CURRENT_TIMESTAMP > '2026-01-01', 1, 0))": 1,
}


def test_duckdb_returns_the_same_values_as_t_sql(lake):
    lake.build("B1", [sale(1), sale(2), sale(3, note="n3"), sale(4)])
    lake.reporting(**{f"v{i}": f"SELECT {sql} AS x FROM gold.fact_sale" for i, sql in enumerate(ANSWERS)})
    lake.publish("B1")
    found = {sql: lake.query(f"SELECT x FROM reporting.v{i}")[0][0] for i, sql in enumerate(ANSWERS)}
    assert found == ANSWERS


def test_top_sorts_nulls_first_and_dates_stay_dates(lake):
    lake.build("B1", [sale(1, note="b"), sale(2), sale(3, note="a")])
    lake.reporting(v="SELECT TOP (2) note, DATEADD(month, 1, day) AS later FROM gold.fact_sale ORDER BY note")
    lake.publish("B1")
    assert lake.query("SELECT note, later::VARCHAR FROM reporting.v") == [(None, "2026-02-01"), ("a", "2026-02-01")]


AZURE_ONLY = "-- midnight: azure only\n"


def test_an_azure_only_view_is_checked_but_not_translated(tmp_path):
    views = load(tmp_path, v=AZURE_ONLY + HEAD + "SELECT note, SOUNDEX(note) AS sound FROM gold.fact_sale")
    assert [(view.duckdb, view.columns, view.references) for view in views] == [
        (None, ("note", "sound"), ("gold.fact_sale",))
    ]
    assert azure_only(views) == ("reporting.v",)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT SOUNDEX(note) AS a, colour FROM gold.fact_sale", "v.sql:3: Column 'colour' could not be resolved"),
        ("SELECT SOUNDEX(note) AS a FROM gold.nothing", "v.sql:3: reads 'gold.nothing', which does not exist"),
        ("SELECT SOUNDEX(note AS a FROM gold.fact_sale", "v.sql:3: is not T-SQL"),
        ("SELECT SOUNDEX(note) FROM gold.fact_sale", "v.sql:3: column 1 needs a name"),
        ("SELECT note, shop_key, COUNT(*) AS n FROM gold.fact_sale GROUP BY note", "is neither in GROUP BY nor in"),
    ],
)
def test_what_t_sql_rejects_is_rejected_in_an_azure_only_view(tmp_path, query, message):
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, v=AZURE_ONLY + HEAD + query)
    assert message in str(caught.value)


def test_a_local_view_cannot_read_an_azure_only_view(tmp_path):
    with pytest.raises(ConfigurationError, match=r"w\.sql:1: reads 'reporting\.v', which is published on Synapse only"):
        load(
            tmp_path,
            v=AZURE_ONLY + HEAD + "SELECT SOUNDEX(note) AS a FROM gold.fact_sale",
            w="CREATE OR ALTER VIEW reporting.w AS SELECT a FROM reporting.v",
        )


def test_an_azure_only_view_reads_another(tmp_path):
    views = load(
        tmp_path,
        v=AZURE_ONLY + HEAD + "SELECT SOUNDEX(note) AS a FROM gold.fact_sale",
        w=AZURE_ONLY + "CREATE OR ALTER VIEW reporting.w AS SELECT a FROM reporting.v",
    )
    assert azure_only(views) == ("reporting.v", "reporting.w")


def test_each_local_publication_names_the_azure_only_views(lake, caplog):
    lake.build("B1", [sale(1)])
    lake.reporting(fine="SELECT pieces FROM gold.fact_sale")
    file = lake.configuration / "sql" / "serving" / "v.sql"
    file.write_text(AZURE_ONLY + HEAD + "SELECT SOUNDEX(note) AS a FROM gold.fact_sale")
    publication = lake.publish("B1")
    assert "reporting.v is marked as Azure only" in caplog.text
    assert set(publication.views) == {"gold.dim_shop", "gold.fact_sale", "reporting.fine"}

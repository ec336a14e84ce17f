"""Checks gold models against columns, contracts and the proved list, without an engine."""

from __future__ import annotations

import time

import pytest

from midnight.errors import ConfigurationError
from midnight.run.run_configuration import load_run_configuration
from midnight.settings import Settings
from midnight.silver_to_gold.spark_sql.check import check_gold_sql
from tests.support.order_line_models import TABLE, write


def load(folder, engine="sail"):
    return load_run_configuration(Settings(config=folder, engine=engine), [])


def problems(folder, engine="sail"):
    with pytest.raises(ConfigurationError) as caught:
        load(folder, engine)
    return [str(problem) for problem in caught.value.problems]


def test_a_product_of_two_numerics_without_precision_is_corrected_for_sail(tmp_path):
    include = write(
        tmp_path, {"m": ("SELECT id, qty * price AS total FROM silver.order_line", "id INT; total DECIMAL(18,2)")}
    )
    (model,) = load(include).models
    assert model.sql == (
        "SELECT id, CAST((CAST(qty AS DECIMAL(76, 18)) * CAST(price AS DECIMAL(76, 2))) AS DECIMAL(38,9)) AS total "
        "FROM silver__order_line"
    )
    (as_written,) = load(include, "spark").models
    assert as_written.sql == "SELECT id, qty * price AS total FROM silver__order_line"


def test_a_float_cast_to_text_is_refused_with_line_and_hint(tmp_path):
    sql = "SELECT\n    id,\n    -- a comment\n    CAST(ratio AS STRING) AS t\nFROM silver.order_line"
    include = write(tmp_path, {"m": (sql, "id INT; t STRING")})
    (problem,) = problems(include)
    assert problem.startswith(
        "sql/gold/m.sql:4: CAST(ratio AS STRING): Sail and Apache Spark return different results ("
    )
    assert "hint: " in problem
    assert "MIDNIGHT_ENGINE=spark" in problem
    assert load(include, "spark").models[0].sql == sql.replace("silver.", "silver__")


def test_all_problems_of_all_models_are_reported_at_once(tmp_path):
    include = write(
        tmp_path,
        {
            "a": ("SELECT id,\n  old AS gone\nFROM silver.order_line", "id INT; gone INT"),
            "b": ("SELECT x.id, x.missing AS m\nFROM gold.a AS x", "id INT; m INT"),
            "c": ("SELECT id, first(code) AS f FROM silver.order_line GROUP BY id", "id INT; f STRING"),
            "d": ("SELECT id, code FROM silver.order_line", "id INT; other STRING"),
            "e": ("SELECT id, code AS n FROM silver.order_line", "id INT; n INT"),
            "f": ("SELECT id, soundex(reverse(email)) AS n FROM silver.order_line WHERE id", "id INT; n STRING"),
        },
    )
    shown = "\n".join(problems(include))
    for message in [
        "sql/gold/a.sql:2: column 'old' does not exist: silver.order_line has ['id', 'qty', 'price', ",
        "sql/gold/b.sql:1: column 'x.missing' does not exist: gold.a has ['id', 'gone']",
        "sql/gold/c.sql:1: first(code): first(string) is not proved",
        "sql/gold/d.sql: ['code'] are not among the columns of d.yml",
        "sql/gold/d.yml:5: columns[1]: 'other' is not a column of the query (['id', 'code'])",
        "sql/gold/e.yml:5: columns[1].type: string of the query cannot be cast to INT; hint: CAST it in e.sql",
        "sql/gold/f.sql:1: id is int, not true or false",
    ]:
        assert message in shown
    # Names and contracts are the same on every engine; only the proof is for Sail.
    on_spark = "\n".join(problems(include, "spark"))
    assert "first(code)" not in on_spark
    assert "sql/gold/a.sql:2: column 'old' does not exist" in on_spark


def test_an_operation_that_a_contract_allows_is_a_warning(tmp_path):
    sql = "SELECT id,\n soundex(first(code)) AS f\nFROM silver.order_line GROUP BY id"
    models = {"m": (sql, "id INT; f STRING", "unproved_functions: [first, soundex]")}
    include = write(tmp_path, models)
    (problem,) = problems(include)
    assert "the type of an argument is unknown" in problem
    sql = "SELECT id,\n CAST(first(code) AS STRING) AS f\nFROM silver.order_line GROUP BY id"
    (include / "sql" / "gold" / "m.sql").write_text(sql)
    configuration = load(include)
    (warning,) = map(str, configuration.warnings)
    assert warning.startswith("sql/gold/m.sql:2: first(code): first(string) is not proved")
    assert "the contract allows it" in warning
    assert configuration.models[0].warnings


def test_expression_checks_of_tables_and_contracts_are_checked(tmp_path):
    table = TABLE + (
        "checks:\n"
        "  - {rule: expression, name: odd, sql: \"CAST(ratio AS STRING) <> 'x'\", on_failure: warn}\n"
        "  - {rule: expression, name: gone, sql: nothing > 1, on_failure: warn}\n"
        "  - {rule: expression, name: sum, sql: id + 1 > 0, on_failure: warn}\n"
    )
    checks = "checks:\n  - {rule: expression, name: c, sql: id, on_failure: warn}"
    models = {"m": ("SELECT id FROM silver.order_line", "id INT", checks)}
    shown = problems(write(tmp_path, models, table))
    assert [text.split(": ")[0] for text in shown] == [
        "sql/gold/m.yml:6",
        "tables/public.order_line.yml:16",
        "tables/public.order_line.yml:17",
    ]
    assert "'id' is int, not true or false" in shown[0]


def test_a_masked_column_is_text(tmp_path):
    include = write(tmp_path, {"m": ("SELECT id, length(email) AS n FROM silver.order_line", "id INT; n INT")})
    assert load(include).models[0].sql.startswith("SELECT id, length(email)")


def test_corrections_can_be_nested(tmp_path):
    sql = """WITH lines AS ( -- ü silver.order_line
    SELECT id, (qty + 1) * 2 AS q, id + 1 AS next, placed FROM silver.order_line
)
SELECT id, sum(q) AS total, /* stays */ max(weekday(placed)) AS day
FROM lines WHERE next BETWEEN 1 AND 10 GROUP BY id
"""
    include = write(tmp_path, {"m": (sql, "id INT; total DECIMAL(38,2); day INT")})
    corrected = load(include).models[0].sql
    assert next(line.split("--")[-1] for line in corrected.splitlines()) == " ü silver.order_line"
    assert len(corrected.splitlines()) == len(sql.splitlines())
    for part in (
        "CAST((CAST(id AS BIGINT) + CAST(1 AS BIGINT)) AS INT) AS next",
        "/* stays */ max(((dayofweek(placed) + 5) % 7)) AS day",
        "CAST(CAST(2 AS DECIMAL(1,0)) AS DECIMAL(76, 0))",
    ):
        assert part in corrected


def test_the_columns_of_a_union_are_cast_in_each_query(tmp_path):
    sql = "SELECT id, price AS a, NULL AS b FROM silver.order_line UNION ALL SELECT id, 1, ratio FROM silver.order_line"
    include = write(tmp_path, {"m": (sql, "id INT; a DECIMAL(12,2); b DOUBLE")})
    assert load(include).models[0].sql == (
        "SELECT id, CAST(price AS DECIMAL(12,2)) AS a, CAST(NULL AS DOUBLE) AS b FROM silver__order_line UNION ALL "
        "SELECT id, CAST(1 AS DECIMAL(12,2)) AS `a`, ratio FROM silver__order_line"
    )


def test_operations_that_can_overflow_are_described_for_the_job(tmp_path):
    include = write(tmp_path, {"m": ("SELECT id,\nqty * qty AS total FROM silver.order_line", "id INT; total DOUBLE")})
    (described,) = load(include, "spark").models[0].arithmetic
    assert described == (
        "line 2: qty * qty on decimal(38,18) and decimal(38,18) (CAST to fewer digits, for example DECIMAL(18, 4), "
        "or to DOUBLE)"
    )


@pytest.mark.slow
def test_two_hundred_models_take_less_than_a_second_and_a_half(tmp_path):
    sql = """SELECT o.id, coalesce(o.code, 'none') AS code, count(*) AS lines, sum(o.price) AS total,
    date_trunc('MONTH', o.placed) AS month, CASE WHEN o.price > 100 THEN 'high' ELSE 'low' END AS band
FROM silver.order_line AS o LEFT JOIN silver.order_line AS p ON p.id = o.id
WHERE o.placed >= DATE '2024-01-01' GROUP BY 1, 2, 5, 6"""
    columns = "id INT; code STRING; lines BIGINT; total DECIMAL(20,2); month TIMESTAMP; band STRING"
    include = write(tmp_path, {f"m{n}": (sql, columns) for n in range(200)})
    configuration = load(include, "spark")
    check_gold_sql(configuration.models[:1], configuration.tables.tables, "sail")
    started = time.process_time()
    report = check_gold_sql(configuration.models, configuration.tables.tables, "sail", include)
    assert time.process_time() - started < 1.5
    assert report.problems == ()

"""Failed checks and invalid queries of gold: the error, and the earlier build stays."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from midnight.errors import LakeError, ModelError, QualityGateError, ReconciliationError
from midnight.lake.delta_protocol import TABLE_PROPERTIES
from midnight.lake.paths import LakePaths
from midnight.reconciliation.run_records import read_step_records
from midnight.reconciliation.source_figures import SourceFigures
from midnight.silver_to_gold.builds import read_builds
from midnight.silver_to_gold.models import ReconciliationRule
from spark_jobs.gold.run import build_gold
from spark_jobs.gold.tables import check_protocols, write_model
from tests.support.gold_lake import run_document, sample, write_silver
from tests.support.gold_models import FIRST, SECOND, build, model, rows_of, small_silver


@pytest.fixture
def paths(tmp_path) -> LakePaths:
    return LakePaths.below(str(tmp_path / "lake"))


def test_a_failed_check_leaves_the_earlier_build(sail_session, paths):
    small_silver(paths)
    check = {"rule": "range", "name": "small", "column": "a", "max": 3, "on_failure": "fail"}
    models = [
        model("m", checks=[check]),
        model("n", sql="SELECT a FROM gold__m", gold__m="gold.m"),
        model("o", sql="SELECT a FROM silver__t"),
    ]
    first = build(sail_session, paths, *models)
    small_silver(paths, (1, 2, 3, 4, 5))
    with pytest.raises(QualityGateError) as caught:
        build(sail_session, paths, *models, batch=SECOND)
    message = str(caught.value)
    assert "gold.m: small (range) in 2 rows of 5 failed; the rows are in" in message
    assert "gold.n was not built, since gold.m failed" in message
    assert "readers keep the earlier build" in message
    assert read_builds(paths.gold_builds)[-1] == first
    assert rows_of(paths, first, "m").num_rows == 3
    small_silver(paths, (1, 2))
    assert build(sail_session, paths, *models, batch=SECOND).models["n"].rows == 2


def test_a_figure_that_differs_from_the_source_stops_gold_before_it_is_recorded(sail_session, paths):
    """The groups are named with both figures; the earlier build stays, and the next run publishes."""
    small_silver(paths)
    fields = {
        "name": "by_odd",
        "group_by": ("odd",),
        "figures": {"n": "count", "total": "sum(a)"},
        "source": "SELECT 1",
    }
    sales = model("m", sql="SELECT a, CAST(a % 2 AS INT) AS odd FROM silver__t", columns="a INT, odd INT")
    contract = sales.contract.model_copy(update={"reconcile": (ReconciliationRule.model_validate(fields),)})
    sales = sales.model_copy(update={"contract": contract})

    def run(batch, *rows):
        document = run_document(paths, batch, models=(sales,))
        figures = SourceFigures(model="m", rule="by_odd", lsn="0/1A", columns=("odd", "n", "total"), rows=rows)
        return build_gold(sail_session, document.model_copy(update={"figures": (figures,)}))

    first = run(FIRST, ("0", "1", "2"), ("1", "2", "4"))
    small_silver(paths, (1, 3))
    with pytest.raises(ReconciliationError) as caught:
        run(SECOND, ("0", "1", "2"), ("1", "2", "5"))
    place, missing = "source = gold: gold.m, column", "rule 'by_odd'; gold has no such group"
    assert str(caught.value).split("\n") == [
        f"{place} 'n', key (odd = '0'): figure; source has '1', gold has NULL; {missing}",
        f"{place} 'total', key (odd = '0'): figure; source has '2', gold has NULL; {missing}",
        f"{place} 'total', key (odd = '1'): figure; source has '5', gold has '4'; rule 'by_odd'; "
        "nothing was published; hint: correct the model, the rule or the source",
    ]
    assert read_builds(paths.gold_builds) == [first]
    (record,) = read_step_records(paths.reconciliation)[-1].records
    assert (record.link, record.status, record.difference_count) == ("source = gold", "different", 3)
    assert run(SECOND, ("1", "2", "4")).models["m"].rows == 2


CHECKED = {
    "key_null": ("SELECT CAST(NULLIF(a, 2) AS INT) AS a FROM silver__t", {}, "key (unique) in 1 rows of 3"),
    "key_twice": ("SELECT CAST(1 AS INT) AS a FROM silver__t", {}, "key (unique) in 2 rows of 3"),
    "not_null": ("", {"rule": "not_null", "columns": ["c"]}, "not_null_c (not_null) in 1 rows of 3"),
    "unique": ("", {"rule": "unique", "columns": ["d"]}, "unique_d (unique) in 2 rows of 3"),
    "accepted_values": (
        "",
        {"rule": "accepted_values", "column": "a", "values": [1, 2]},
        "accepted_values_a (accepted_values) in 1 rows of 3",
    ),
    "range": ("", {"rule": "range", "column": "t", "min": "2013-01-02"}, "range_t (range) in 1 rows of 3"),
    "pattern": ("", {"rule": "pattern", "column": "s", "regex": "b[12]"}, "pattern_s (pattern) in 1 rows of 3"),
    "foreign_key": (
        "",
        {"rule": "foreign_key", "columns": ["a"], "table": "silver__u", "references": ["a"]},
        "foreign_key_a (foreign_key) in 2 rows of 3",
    ),
    "expression": ("", {"rule": "expression", "name": "e", "sql": "c <> 1"}, "e (expression) in 1 rows of 3"),
    "on_tables": (
        "",
        {"rule": "expression", "name": "e", "sql": "(SELECT count(*) FROM gold__m) = (SELECT count(*) FROM silver__u)"},
        "e (expression) in 1 rows of 3",
    ),
}

WIDE = """SELECT a, CAST(NULLIF(a, 2) AS INT) AS c, CAST(7 AS INT) AS d, b AS s,
                 date_add(DATE'2013-01-01', a - 1) AS t FROM silver__t"""


@pytest.mark.parametrize("name", list(CHECKED))
def test_every_rule_counts_its_rows_and_warns_or_fails(sail_session, paths, name):
    sql, check, found = CHECKED[name]
    small_silver(paths)
    small_silver(paths, (3,), name="u")
    columns = "a INT" if sql else "a INT, c INT, d INT, s STRING, t DATE"
    views = {"silver__t": "silver.t", "silver__u": "silver.u"}
    checks = [check | {"on_failure": "fail"}] if check else []
    with pytest.raises(QualityGateError) as caught:
        build(sail_session, paths, model(sql=sql or WIDE, columns=columns, checks=checks, **views))
    assert found in str(caught.value)
    if check:
        warned = build(
            sail_session, paths, model(sql=WIDE, columns=columns, checks=[check | {"on_failure": "warn"}], **views)
        )
        failed_rows = int(found.split(" in ")[1].split()[0])
        assert warned.models["m"].checks[-1].failed_rows == failed_rows


def test_a_text_that_its_view_would_truncate_stops_the_build(sail_session, paths):
    small_silver(paths, (1, 1234))
    narrow = model(sql="SELECT a, b FROM silver__t", columns="a INT, b STRING")
    columns = [column.model_copy(update={"max_length": 4}) for column in narrow.contract.columns]
    columns[0] = narrow.contract.columns[0]
    contract = narrow.contract.model_copy(update={"columns": tuple(columns)})
    with pytest.raises(
        QualityGateError,
        match=r"max_length .* in 1 rows of 2 .* longest texts: b \d+; hint: raise max_length in m\.yml",
    ):
        build(sail_session, paths, narrow.model_copy(update={"contract": contract}))


@pytest.mark.parametrize(
    ("sql", "columns", "message"),
    [
        ("SELECT a, b FROM silver__t", "a INT, c INT", r"missing in the query: \['c'\], missing in m.yml: \['b'\]"),
        ("SELECT b AS a FROM silver__t", "a INT", "a is string, but INT in the contract; hint: write a CAST in m.sql"),
        ("SELECT a / 2 AS a FROM silver__t", "a INT", "a is double, but INT in the contract"),
        ("SELECT nothing FROM silver__t", "a INT", "gold.m: invalid query: .*nothing.*correct m.sql"),
        ("SELECT CAST(b AS INT) AS a FROM silver__t", "a INT", "gold.m: the query failed: .*b1.*see m.sql"),
        ("SELECT a * 70000 AS a FROM silver__t", "a SMALLINT", "gold.m: the query failed"),
    ],
)
def test_an_invalid_query_is_reported_with_its_model(sail_session, paths, sql, columns, message):
    small_silver(paths)
    with pytest.raises(ModelError, match=message):
        build(sail_session, paths, model(sql=sql, columns=columns))
    assert read_builds(paths.gold_builds) == []


def test_numbers_take_the_type_of_the_contract(sail_session, paths):
    small_silver(paths)
    sql = "SELECT a, CAST(a AS DOUBLE) / 8 AS b, count(*) AS c, NULL AS d FROM silver__t GROUP BY a"
    gold = build(sail_session, paths, model(sql=sql, columns="a BIGINT, b DECIMAL(9,2), c INT, d STRING"))
    table = rows_of(paths, gold, "m")
    assert table.schema.types == [pa.int64(), pa.decimal128(9, 2), pa.int32(), pa.string()]
    assert [str(value) for value in table["b"].to_pylist()] == ["0.13", "0.25", "0.38"]


def test_a_missing_silver_table_is_reported(sail_session, paths):
    with pytest.raises(LakeError, match=r"silver.t does not exist at .*run the pipeline with this table first"):
        build(sail_session, paths, model())


def test_an_empty_source_gives_empty_facts_and_unknown_members(sail_session, paths):
    write_silver(paths, {name: rows.slice(0, 0) for name, rows in sample().items()})
    gold = build_gold(sail_session, run_document(paths, FIRST))
    assert {name: built.rows for name, built in gold.models.items()} == {
        "dim_aircraft": 1,
        "dim_airline": 1,
        "dim_airport": 1,
        "dim_date": 0,
        "fact_flight": 0,
        "mart_daily_punctuality": 0,
        "mart_route": 0,
        "mart_weather_effect": 0,
    }


def test_a_folder_is_never_overwritten(sail_session, tmp_path):
    table = sail_session.sql("SELECT 1 AS a")
    write_model(sail_session, "m", table, str(tmp_path / "m"))
    with pytest.raises(LakeError, match=r"gold.m: .* already exists and is never overwritten"):
        write_model(sail_session, "m", table, str(tmp_path / "m"))


@pytest.mark.parametrize(
    ("rows", "properties", "problem"),
    [
        ({"a": pa.array([datetime(2013, 1, 1)], pa.timestamp("us"))}, {}, "TIMESTAMP_NTZ in a"),
        ({"a": [1]}, {"delta.enableDeletionVectors": "true"}, "deletionVectors"),
    ],
)
def test_a_table_that_synapse_cannot_read_is_not_published(sail_session, tmp_path, rows, properties, problem):
    path = str(tmp_path / "table")
    write_deltalake(path, pa.table(rows), configuration=properties)
    with pytest.raises(ModelError, match=f"gold.m: .* Synapse serverless cannot read it: .*{problem}"):
        check_protocols(sail_session, {"m": path})


@pytest.mark.spark
def test_deletion_vectors_enabled_in_the_session_are_not_used_in_gold(spark_session, paths):
    small_silver(paths)
    setting = "spark.databricks.delta.properties.defaults.enableDeletionVectors"
    spark_session.conf.set(setting, "true")
    try:
        gold = build(spark_session, paths, model())
        other = str(Path(paths.gold) / "other")
        spark_session.sql("SELECT 1 AS a").write.format("delta").save(other)
        with pytest.raises(ModelError, match="deletionVectors"):
            check_protocols(spark_session, {"other": other})
    finally:
        spark_session.conf.unset(setting)
    configuration = DeltaTable(gold.model_path(paths, "m")).metadata().configuration
    assert {name: configuration[name] for name in TABLE_PROPERTIES if name in configuration}[
        "delta.enableDeletionVectors"
    ] == "false"

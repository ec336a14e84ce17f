"""Silver to gold on real engines and real Delta: what readers see, whatever happens to the job."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake

from midnight.errors import LakeError, ModelError, QualityGateError
from midnight.lake.delta_protocol import TABLE_PROPERTIES
from midnight.lake.paths import LakePaths
from midnight.settings import REPOSITORY
from midnight.silver_to_gold.builds import read_builds, read_latest_build
from midnight.silver_to_gold.models import GoldModel, GoldModelContract
from spark_jobs.gold.tables import check_protocol, write_model
from spark_jobs.silver_to_gold import build_gold, silver_contents
from tests.support.gold_lake import AS_WRITTEN, add_to_ledger, run_document, sample, write_silver

FIRST, SECOND, THIRD = (f"2013100{day}T000000000Z-0000000{day}" for day in (1, 2, 3))


@pytest.fixture
def paths(tmp_path) -> LakePaths:
    return LakePaths.below(str(tmp_path / "lake"))


@pytest.fixture(scope="module")
def demo(sail_session, tmp_path_factory):
    """Gold of three days of the demo, built once; read it only."""
    paths = LakePaths.below(str(tmp_path_factory.mktemp("demo")))
    write_silver(paths, sample())
    return paths, build_gold(sail_session, run_document(paths, FIRST))


def rows_of(paths, build, name) -> pa.Table:
    table = DeltaTable(build.model_path(paths, name)).to_pyarrow_table()
    return table.sort_by([(column, "ascending") for column in build.models[name].key])


def model(name="m", sql="SELECT a FROM silver__t", columns="a INT", key=("a",), checks=(), **references) -> GoldModel:
    """A small model; ``columns`` is written as in SQL DDL."""
    pairs = [column.split(" ", 1) for column in columns.split(", ")]
    contract = {
        "description": "d",
        "key": key,
        "columns": [{"name": column, "type": kind} for column, kind in pairs],
        "checks": checks,
    }
    named = references or {"silver__t": "silver.t"}
    return GoldModel(name=name, sql=sql, references=named, contract=GoldModelContract.model_validate(contract))


def small_silver(paths, values=(1, 2, 3), name="t"):
    write_silver(paths, {name: pa.table({"a": pa.array(values, pa.int32()), "b": [f"b{v}" for v in values]})})


def build(session, paths, *models, batch=FIRST, **options):
    return build_gold(session, run_document(paths, batch, models=models, **options))


# What is in gold


def test_no_flight_is_lost_and_unknown_codes_lead_to_the_unknown_members(demo):
    paths, gold = demo
    silver = sample()
    facts = rows_of(paths, gold, "fact_flight")
    assert facts.num_rows == silver["flights"].num_rows
    by_key = {row["flight_id"]: row for row in silver["flights"].to_pylist()}
    airports = set(silver["airports"]["faa"].to_pylist())
    planes = set(silver["planes"]["tailnum"].to_pylist())
    expected, found = Counter(), Counter()
    for row in facts.to_pylist():
        flight = by_key[row["flight_key"]]
        expected[flight["dest"] if flight["dest"] in airports else "UNKNOWN"] += 1
        expected[flight["tailnum"] if flight["tailnum"] in planes else "UNKNOWN"] += 1
        found.update([row["destination_airport_key"], row["aircraft_key"]])
        assert (row["destination_code"], row["tail_number"]) == (flight["dest"], flight["tailnum"])
    assert found == expected
    assert expected["UNKNOWN"] > 100
    for name in ("dim_airline", "dim_airport", "dim_aircraft"):
        table = rows_of(paths, gold, name)
        assert pc.sum(pc.equal(table[gold.models[name].key[0]], "UNKNOWN")).as_py() == 1


def test_times_of_a_flight(demo):
    """Flight UA 1545 of 1 January: scheduled 5:15 in New York, left 2 minutes late, arrived at 8:30, 11 late."""
    paths, gold = demo
    facts = rows_of(paths, gold, "fact_flight").to_pylist()
    (flight,) = [f for f in facts if (f["airline_key"], f["flight_number"], f["date_key"]) == ("UA", 1545, 20130101)]
    assert {
        name: flight[name] for name in flight if name.endswith(("_at", "_local", "_minutes")) or name == "status"
    } == {
        "status": "Arrived",
        "scheduled_departure_at": datetime(2013, 1, 1, 10, 15, tzinfo=UTC),
        "actual_departure_at": datetime(2013, 1, 1, 10, 17, tzinfo=UTC),
        "scheduled_departure_local": "05:15",
        "scheduled_arrival_local": "08:19",
        "actual_arrival_local": "08:30",
        "departure_delay_minutes": 2,
        "arrival_delay_minutes": 11,
        "air_time_minutes": 227,
    }


def test_marts_agree_with_an_independent_calculation(demo):
    paths, gold = demo
    silver = sample()
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'America/New_York'")
    connection.register("flights", silver["flights"])
    connection.register("weather", silver["weather"])
    expected = connection.execute(
        """SELECT strftime(time_hour, '%Y%m%d')::INT, carrier, count(*), count(*) FILTER (dep_time IS NULL),
                  count(*) FILTER (arr_delay < 15), median(arr_delay)::DECIMAL(9,1),
                  quantile_cont(arr_delay, 0.9)::DECIMAL(9,1), avg(dep_delay)
           FROM flights GROUP BY ALL ORDER BY 1, 2"""
    ).fetchall()
    mart = rows_of(paths, gold, "mart_daily_punctuality").select(
        [
            *("date_key", "airline_key", "flights", "cancelled_flights", "on_time_flights"),
            *("median_arrival_delay_minutes", "p90_arrival_delay_minutes", "mean_departure_delay_minutes"),
        ]
    )
    assert [tuple(row.values()) for row in mart.to_pylist()] == expected
    expected = connection.execute(
        """SELECT count(*), count(*) FILTER (dep_time IS NULL), avg(dep_delay)
           FROM flights JOIN weather USING (origin, time_hour) WHERE wind_speed >= 15 AND wind_speed < 25"""
    ).fetchall()
    windy = [r for r in rows_of(paths, gold, "mart_weather_effect").to_pylist() if r["band"] == "15 to 25 mph"]
    shown = [(r["flights"], r["cancelled_flights"], r["mean_departure_delay_minutes"]) for r in windy]
    assert shown == expected


def test_the_calendar_covers_whole_years_and_knows_its_weekdays(demo):
    paths, gold = demo
    days = rows_of(paths, gold, "dim_date").to_pylist()
    expected = [(d["full_date"], d["full_date"].isoweekday(), d["full_date"].strftime("%A")) for d in days]
    assert [(d["full_date"], d["day_of_week"], d["day_name"]) for d in days] == expected
    assert len(days) == 365
    assert [d["is_weekend"] for d in days] == [d["full_date"].isoweekday() > 5 for d in days]


def test_every_table_is_in_the_form_that_synapse_reads(demo):
    paths, gold = demo
    tables = [gold.model_path(paths, name) for name in gold.models] + [paths.gold_builds]
    protocols = [DeltaTable(path).protocol() for path in tables]
    assert {(p.min_reader_version, p.min_writer_version) for p in protocols} == {(1, 2)}
    properties = [DeltaTable(path).metadata().configuration for path in tables]
    assert [p["delta.enableDeletionVectors"] for p in properties] == ["false"] * len(tables)


def test_the_record_says_what_was_built(demo):
    paths, gold = demo
    recorded = read_latest_build(paths.gold_builds)
    assert recorded == gold
    assert (recorded.batch_id, recorded.run_id) == (FIRST, f"run {FIRST}")
    fact = recorded.models["fact_flight"]
    assert fact.rows == sample()["flights"].num_rows
    assert fact.inputs["gold.dim_date"] == gold.build_id
    assert fact.inputs["silver.flights"].startswith("20131001T000000000Z-00000001@")
    assert [check.name for check in fact.checks[:3]] == ["key", "max_length", "no_flight_is_lost_or_doubled"]
    assert {column.name for column in fact.columns} == set(rows_of(paths, gold, "fact_flight").column_names)


@pytest.mark.spark
def test_apache_spark_gives_the_same_tables(demo, spark_session, tmp_path):
    sail_paths, sail_build = demo
    paths = LakePaths.below(str(tmp_path))
    write_silver(paths, sample())
    spark_build = build_gold(spark_session, run_document(paths, FIRST, AS_WRITTEN))
    assert read_latest_build(paths.gold_builds) == spark_build
    for name in sail_build.models:
        mine, other = rows_of(sail_paths, sail_build, name), rows_of(paths, spark_build, name)
        assert mine.column_names == other.column_names
        assert mine.schema.types == other.schema.types
        assert mine.to_pylist() == other.to_pylist()
        results = [[c.model_dump() for c in b.models[name].checks] for b in (sail_build, spark_build)]
        assert results[0] == results[1]
    # A second night on Apache Spark: reads its own record, and finds nothing to do.
    again = build_gold(spark_session, run_document(paths, SECOND, AS_WRITTEN))
    assert {m.path for m in again.models.values()} == {m.path for m in spark_build.models.values()}


# What is built again, and what is not


def test_only_what_depends_on_a_change_is_built_again(sail_session, paths):
    write_silver(paths, sample(1))
    first = build_gold(sail_session, run_document(paths, FIRST))
    write_silver(paths, {"weather": sample(2)["weather"]}, SECOND)
    second = build_gold(sail_session, run_document(paths, SECOND))
    changed = {name for name in first.models if first.models[name].path != second.models[name].path}
    assert changed == {"mart_weather_effect"}
    write_silver(paths, {"airports": sample(1)["airports"]}, THIRD)
    third = build_gold(sail_session, run_document(paths, THIRD))
    rebuilt = {name for name, built in third.models.items() if built.built_in == third.build_id}
    assert rebuilt == {
        "dim_airport",
        "fact_flight",
        "mart_daily_punctuality",
        "mart_route",
        "mart_weather_effect",
    }
    assert [b.build_id for b in read_builds(paths.gold_builds)] == [first.build_id, second.build_id, third.build_id]


def test_the_same_batch_again_is_a_new_build_of_the_same_tables(sail_session, paths):
    small_silver(paths)
    first = build(sail_session, paths, model())
    again = build(sail_session, paths, model())
    assert again.build_id > first.build_id
    assert again.models == first.models
    assert [b.batch_id for b in read_builds(paths.gold_builds)] == [FIRST, FIRST]


def test_another_query_contract_or_type_is_built_again_but_not_another_description(sail_session, paths):
    small_silver(paths)
    first = build(sail_session, paths, model())
    described = model().model_copy(
        update={"contract": model().contract.model_copy(update={"description": "told better"})}
    )
    second = build(sail_session, paths, described)
    assert second.models["m"].path == first.models["m"].path
    assert second.models["m"].description == "told better"
    for other in (
        model(sql="SELECT a + 1 AS a FROM silver__t"),
        model(columns="a BIGINT"),
        model(checks=[{"rule": "range", "column": "a", "min": 0, "on_failure": "fail"}]),
    ):
        assert build(sail_session, paths, other).models["m"].path != second.models["m"].path


def test_a_rebuild_and_an_emptied_folder_are_built_again(sail_session, paths):
    small_silver(paths)
    first = build(sail_session, paths, model())
    rebuilt = build(sail_session, paths, model(), rebuild=True)
    assert rebuilt.models["m"].path != first.models["m"].path
    for file in Path(rebuilt.model_path(paths, "m")).rglob("*.json"):
        file.unlink()
    assert build(sail_session, paths, model()).models["m"].path != rebuilt.models["m"].path


def test_a_new_column_that_is_null_everywhere_counts_as_a_change(sail_session, paths):
    small_silver(paths)
    first = build(sail_session, paths, model())
    wider = pa.table({"a": pa.array([1, 2, 3], pa.int32()), "new": pa.nulls(3, pa.string())})
    write_deltalake(paths.silver_table("t"), wider, mode="overwrite", schema_mode="overwrite")
    add_to_ledger(paths, "t", SECOND, unchanged=3)
    assert build(sail_session, paths, model()).models["m"].path != first.models["m"].path


def test_a_table_without_ledger_counts_as_changed(sail_session, paths):
    write_deltalake(paths.silver_table("t"), pa.table({"a": pa.array([1], pa.int32())}))
    first = build(sail_session, paths, model())
    assert build(sail_session, paths, model()).models["m"].path != first.models["m"].path


def test_what_identifies_the_content_of_silver(sail_session, paths):
    def now():
        return silver_contents(sail_session, paths.ledger).get("t", "")

    assert now() == ""
    add_to_ledger(paths, "t", FIRST, inserted=3)
    first = now()
    assert first.startswith(f"{FIRST}@")
    add_to_ledger(paths, "t", SECOND, unchanged=3)
    add_to_ledger(paths, "t", SECOND, statuses=("skipped",))
    add_to_ledger(paths, "other", SECOND, inserted=1)
    assert now() == first
    add_to_ledger(paths, "t", SECOND, deleted=1, unchanged=2)
    second = now()
    assert second.startswith(f"{SECOND}@")
    assert second != first
    # The job died after it had changed the table; its second try finds nothing left to do.
    add_to_ledger(paths, "t", THIRD, statuses=("started",))
    died = now()
    assert died.startswith(f"{THIRD}@")
    add_to_ledger(paths, "t", THIRD, unchanged=2)
    assert now() == died
    # A try that failed may have written silver before (the count afterwards was not the expected one).
    add_to_ledger(paths, "t", THIRD, statuses=("started", "failed"))
    assert now() not in ("", died)


# When something is wrong


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
    assert read_latest_build(paths.gold_builds) == first
    assert rows_of(paths, first, "m").num_rows == 3
    small_silver(paths, (1, 2))
    assert build(sail_session, paths, *models, batch=SECOND).models["n"].rows == 2


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
def test_every_rule_finds_its_rows_and_warns_or_stops(sail_session, paths, name):
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


def test_a_text_that_its_view_would_cut_off_stops_the_build(sail_session, paths):
    small_silver(paths, (1, 1234))
    narrow = model(sql="SELECT a, b FROM silver__t", columns="a INT, b STRING")
    columns = [column.model_copy(update={"max_length": 4}) for column in narrow.contract.columns]
    columns[0] = narrow.contract.columns[0]
    contract = narrow.contract.model_copy(update={"columns": tuple(columns)})
    with pytest.raises(
        QualityGateError, match=r"max_length .* in 1 rows of 2 .* longest texts: b \d+; raise max_length in m\.yml"
    ):
        build(sail_session, paths, narrow.model_copy(update={"contract": contract}))


@pytest.mark.parametrize(
    ("sql", "columns", "message"),
    [
        ("SELECT a, b FROM silver__t", "a INT, c INT", r"missing in the query: \['c'\], missing in m.yml: \['b'\]"),
        ("SELECT b AS a FROM silver__t", "a INT", "a is string, but INT in the contract; write a CAST in m.sql"),
        ("SELECT a / 2 AS a FROM silver__t", "a INT", "a is double, but INT in the contract"),
        ("SELECT nothing FROM silver__t", "a INT", "gold.m: the query is wrong: .*nothing.*correct m.sql"),
        ("SELECT CAST(b AS INT) AS a FROM silver__t", "a INT", "gold.m: the query failed: .*b1.*see m.sql"),
        ("SELECT a * 70000 AS a FROM silver__t", "a SMALLINT", "gold.m: the query failed"),
    ],
)
def test_a_wrong_query_is_named(sail_session, paths, sql, columns, message):
    small_silver(paths)
    with pytest.raises(ModelError, match=message):
        build(sail_session, paths, model(sql=sql, columns=columns))
    assert read_latest_build(paths.gold_builds) is None


def test_numbers_take_the_type_of_the_contract(sail_session, paths):
    small_silver(paths)
    sql = "SELECT a, CAST(a AS DOUBLE) / 8 AS b, count(*) AS c, NULL AS d FROM silver__t GROUP BY a"
    gold = build(sail_session, paths, model(sql=sql, columns="a BIGINT, b DECIMAL(9,2), c INT, d STRING"))
    table = rows_of(paths, gold, "m")
    assert table.schema.types == [pa.int64(), pa.decimal128(9, 2), pa.int32(), pa.string()]
    assert [str(value) for value in table["b"].to_pylist()] == ["0.13", "0.25", "0.38"]


def test_a_missing_silver_table_is_named(sail_session, paths):
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


def test_a_folder_is_never_written_twice(sail_session, tmp_path):
    table = sail_session.sql("SELECT 1 AS a")
    write_model(sail_session, "m", table, str(tmp_path / "m"))
    with pytest.raises(LakeError, match=r"gold.m: .* already exists; a build never overwrites another"):
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
        check_protocol(sail_session, "m", path)


@pytest.mark.spark
def test_deletion_vectors_switched_on_for_the_session_do_not_reach_gold(spark_session, paths):
    small_silver(paths)
    setting = "spark.databricks.delta.properties.defaults.enableDeletionVectors"
    spark_session.conf.set(setting, "true")
    try:
        gold = build(spark_session, paths, model())
        other = str(Path(paths.gold) / "other")
        spark_session.sql("SELECT 1 AS a").write.format("delta").save(other)
        with pytest.raises(ModelError, match="deletionVectors"):
            check_protocol(spark_session, "other", other)
    finally:
        spark_session.conf.unset(setting)
    configuration = DeltaTable(gold.model_path(paths, "m")).metadata().configuration
    assert {name: configuration[name] for name in TABLE_PROPERTIES if name in configuration}[
        "delta.enableDeletionVectors"
    ] == "false"


# The job as a process

JOB = """
    import sys, time
    import spark_jobs.silver_to_gold as job
    real_audit, calls = job.audit, []

    def stop_at_second(*arguments):
        calls.append(1)
        if len(calls) == 2:
            print("half done", flush=True)
            time.sleep(600)
        return real_audit(*arguments)

    job.audit = stop_at_second
    job.run()
"""


def start(document: Path, code: str | None = None) -> subprocess.Popen:
    command = ["-c", textwrap.dedent(code)] if code else ["-m", "spark_jobs.silver_to_gold"]
    arguments = json.dumps({"run_document": str(document), "engine": "sail"})
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'plugins'}"}
    return subprocess.Popen(
        [sys.executable, *command, arguments],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_job_that_is_killed_leaves_the_earlier_build_and_the_next_try_ends_right(sail_session, paths, tmp_path):
    small_silver(paths)
    models = (model("m"), model("n", sql="SELECT a FROM gold__m", gold__m="gold.m"))
    first = build(sail_session, paths, *models)
    small_silver(paths, (1, 2, 3, 4))
    document = tmp_path / "run.json"
    document.write_text(run_document(paths, SECOND, models=models).to_json())
    with start(document, JOB) as process:
        lines = iter(process.stdout.readline, "")
        assert any("half done" in line for line in lines)
        process.send_signal(signal.SIGKILL)
    assert len(list(Path(paths.gold, "n").iterdir())) == 2
    assert read_latest_build(paths.gold_builds) == first
    assert [rows_of(paths, first, name).num_rows for name in ("m", "n")] == [3, 3]
    with start(document) as process:
        output, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert "2 models" in output
    recorded = read_latest_build(paths.gold_builds, batch_id=SECOND)
    assert {name: built.rows for name, built in recorded.models.items()} == {"m": 4, "n": 4}

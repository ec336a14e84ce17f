"""Which models a build writes again, and which tables it keeps; also after a job was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import write_deltalake

from midnight.lake.paths import LakePaths
from midnight.settings import REPOSITORY, python_path
from midnight.silver_to_gold.builds import read_builds
from spark_jobs.gold.changes import read_silver_histories
from spark_jobs.gold.run import build_gold
from tests.support.gold_lake import add_to_ledger, run_document, sample, write_silver
from tests.support.gold_models import FIRST, SECOND, THIRD, build, model, rows_of, small_silver


@pytest.fixture
def paths(tmp_path) -> LakePaths:
    return LakePaths.below(str(tmp_path / "lake"))


def test_only_what_depends_on_a_change_is_built_again(sail_session, paths):
    write_silver(paths, sample(1))
    first = build_gold(sail_session, run_document(paths, FIRST))
    write_silver(paths, {"weather": sample(2)["weather"]}, SECOND)
    second = build_gold(sail_session, run_document(paths, SECOND))
    changed = {name for name in first.models if first.models[name].path != second.models[name].path}
    assert changed == {"mart_weather_effect"}
    airports = sample(1)["airports"]
    write_silver(paths, {"airports": airports.filter(pc.less(airports["faa"], "M"))}, THIRD)
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
    rule = {"rule": "range", "column": "a", "max": 9, "on_failure": "fail"}
    first = build(sail_session, paths, model(checks=[rule]))
    text = "another text"
    rule |= {"description": text, "owner": text, "link": "https://wiki.example.com"}
    described = model(checks=[rule])
    described = described.model_copy(update={"contract": described.contract.model_copy(update={"description": text})})
    second = build(sail_session, paths, described)
    assert second.models["m"].path == first.models["m"].path
    assert second.models["m"].description == "another text"
    for other in (
        model(sql="SELECT a + 1 AS a FROM silver__t"),
        model(columns="a BIGINT"),
        model(checks=[{"rule": "range", "column": "a", "min": 0, "on_failure": "fail"}]),
    ):
        assert build(sail_session, paths, other).models["m"].path != second.models["m"].path


def test_a_rebuild_and_an_emptied_folder_build_the_model_again(sail_session, paths):
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
    add_to_ledger(paths, "t", SECOND, unchanged=3, changed="everything")
    assert build(sail_session, paths, model()).models["m"].path != first.models["m"].path


def test_a_table_without_ledger_counts_as_changed(sail_session, paths):
    write_deltalake(paths.silver_table("t"), pa.table({"a": pa.array([1], pa.int32())}))
    first = build(sail_session, paths, model())
    assert build(sail_session, paths, model()).models["m"].path != first.models["m"].path


def test_what_identifies_the_content_of_silver(sail_session, paths):
    def now():
        found = read_silver_histories(sail_session, paths.ledger).get("t")
        return found.identity if found else ""

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
    # The job was killed after it had changed the table; the second try finds no changes.
    add_to_ledger(paths, "t", THIRD, statuses=("started",))
    killed = now()
    assert killed.startswith(f"{THIRD}@")
    add_to_ledger(paths, "t", THIRD, unchanged=2)
    assert now() == killed
    # A failed try may have written silver (the row count afterwards was not the expected one).
    add_to_ledger(paths, "t", THIRD, statuses=("started", "failed"))
    assert now() not in ("", killed)


JOB = """
    import sys, time
    import spark_jobs.gold.run as gold
    from spark_jobs import silver_to_gold
    real_audit, calls = gold.audit_models, []

    def stop_at_second(*arguments):
        calls.append(1)
        if len(calls) == 2:
            print("half done", flush=True)
            time.sleep(600)
        return real_audit(*arguments)

    gold.audit_models = stop_at_second
    silver_to_gold.run()
"""


def start(document: Path, code: str | None = None) -> subprocess.Popen:
    command = ["-c", textwrap.dedent(code)] if code else ["-m", "spark_jobs.silver_to_gold"]
    arguments = json.dumps({"run_document": str(document), "engine": "sail"})
    environment = {**os.environ, "PYTHONPATH": python_path()}
    return subprocess.Popen(
        [sys.executable, *command, arguments],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_killed_job_leaves_the_earlier_build_and_the_next_try_completes(sail_session, paths, tmp_path):
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
    assert read_builds(paths.gold_builds)[-1] == first
    assert [rows_of(paths, first, name).num_rows for name in ("m", "n")] == [3, 3]
    with start(document) as process:
        output, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert "2 models" in output
    recorded = read_builds(paths.gold_builds)[-1]
    assert recorded.batch_id == SECOND
    assert {name: built.rows for name, built in recorded.models.items()} == {"m": 4, "n": 4}

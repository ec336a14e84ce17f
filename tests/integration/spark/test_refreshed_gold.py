"""Gold that is refreshed by keys equals gold that is built whole, whatever happened to silver."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from midnight.errors import QualityGateError
from midnight.lake.paths import LakePaths
from midnight.silver_to_gold.builds import expired_builds, read_builds
from midnight.silver_to_gold.refresh import choose
from midnight.silver_to_gold.refresh.derive import derive_refresh
from midnight.silver_to_gold.spark_sql.relations import silver_relation
from spark_jobs.gold import refreshed_model, replace_keys
from spark_jobs.gold import run as gold_run
from spark_jobs.gold.run import build_gold
from spark_jobs.runtime import file_plan, found_rows
from spark_jobs.transforms import keys
from tests.support.demo_edits import changed
from tests.support.gold_lake import DEMO_MODELS, run_document, sample
from tests.support.gold_refresh import DEMO_PLANS, SilverRuns, all_rows, assert_equal_gold, batch
from tests.support.refreshed_models import KEYS as LINE_KEYS
from tests.support.refreshed_models import SCHEMAS, plans_of, refreshed_models
from tests.support.run_sequences.limits import refresh_anything
from tests.support.sealed_batches import table
from tests.support.small_lake import MODEL

KEYS = {"airlines": "carrier", "airports": "faa", "planes": "tailnum", "flights": "flight_id", "weather": "_key"}
RUNS = 4
SMALL = refreshed_models()


@pytest.fixture(autouse=True)
def _always_refreshed(monkeypatch):
    """Small tables are refreshed, too, and consist of several files."""
    refresh_anything(monkeypatch)
    monkeypatch.setattr(file_plan, "FILE_BYTES", 1)
    monkeypatch.setattr(file_plan, "_FEWEST_ROWS", 300)


@pytest.fixture
def paths(tmp_path) -> LakePaths:
    return LakePaths.below(str(tmp_path / "lake"))


def demo_runs(paths) -> SilverRuns:
    """The first day of the demo."""
    tables = {name: rows for name, rows in sample(1).items() if name != "weather"}
    tables["planes"] = tables["planes"].slice(0, 500)
    runs = SilverRuns(paths, {name: rows.schema for name, rows in tables.items()}, KEYS, DEMO_PLANS)
    runs.replace(tables)
    weather = sample(1)["weather"]
    runs.schemas = {**runs.schemas, "weather": weather.schema}
    runs.keys = {**KEYS, "weather": "time_hour"}
    runs.rows["weather"] = {}
    only = weather.filter(pc.equal(weather["origin"], "JFK"))
    runs.replace({"weather": only})
    return runs


@pytest.mark.parametrize("seed", range(3))
def test_random_changes_of_silver_give_the_gold_of_a_whole_build(sail_session, paths, seed):
    chance = random.Random(seed)  # noqa: S311 - a test
    runs = demo_runs(paths)
    runs.build(sail_session, DEMO_MODELS)
    ways: Counter[str] = Counter()
    for _ in range(RUNS):
        for _ in range(chance.choice([1, 1, 2])):  # several runs of silver before gold is built
            tables = [t for t in runs.rows if chance.random() < (0.8 if t == "flights" else 0.3)]
            runs.change({table: changed(runs.rows[table], chance, table) for table in tables})
        build = runs.build(sail_session, DEMO_MODELS)
        ways.update(model.built for model in build.models.values() if model.built_in == build.build_id)
        assert_equal_gold(paths, build, *runs.build_whole(sail_session, DEMO_MODELS))
    assert ways["by key"] >= RUNS, ways


def line(number: int, g: int, v: float, s: str | None = "a") -> dict:
    return {"id": number, "g": g, "v": v, "s": s}


def small_runs(paths) -> SilverRuns:
    runs = SilverRuns(paths, SCHEMAS, LINE_KEYS, plans_of(SMALL))
    lines = [line(n, n % 40, float(n % 9), f"{'amz'[n % 3]}{n % 50}") for n in range(1000)]
    groups = [{"g": g, "name": f"n{g % 7}"} for g in range(38)]
    runs.replace({name: pa.Table.from_pylist(r, SCHEMAS[name]) for name, r in (("line", lines), ("grp", groups))})
    return runs


def edit(runs: SilverRuns, *edits: dict, deleted=()) -> None:
    after = {key: row for key, row in runs.rows["line"].items() if key not in deleted}
    runs.change({"line": after | {row["id"]: row for row in edits}})


def is_equal(runs, session, build, models=SMALL) -> bool:
    try:
        assert_equal_gold(runs.paths, build, *runs.build_whole(session, models))
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("seed", range(2))
def test_counts_of_failed_rows_are_those_of_a_whole_audit(sail_session, paths, seed):
    chance = random.Random(seed)  # noqa: S311 - a test
    runs = small_runs(paths)
    runs.build(sail_session, SMALL)
    for _ in range(4):
        ids = chance.sample(range(1100), 12)
        edits = [
            line(n, chance.randrange(42), float(chance.randrange(9)), chance.choice(["a", "z", None])) for n in ids
        ]
        edit(runs, *edits, deleted=set(chance.sample(range(1000), 5)))
        if chance.random() < 0.5:
            runs.change({"grp": {g: {"g": g, "name": f"n{g % 5}"} for g in range(chance.randrange(30, 41))}})
        build = runs.build(sail_session, SMALL)
        assert build.models["detail"].built == "by key"
        assert sum(check.failed_rows > 0 for check in build.models["detail"].checks) > 4
        assert_equal_gold(paths, build, *runs.build_whole(sail_session, SMALL))


def test_repetitions_of_many_rows_are_counted_in_parts(sail_session, tmp_path, monkeypatch):
    checks = []
    for number in (10**9, 90):
        monkeypatch.setattr(keys, "KEYS_COUNTED_AT_ONCE", number)
        build = small_runs(LakePaths.below(str(tmp_path / str(number)))).build(sail_session, SMALL)
        checks.append(build.models["detail"].checks)
    assert checks[0] == checks[1]
    assert {check.name: check.failed_rows for check in checks[1]}["unique_s"] > 0


def test_large_files_are_read_once_if_most_rows_differ(sail_session, paths, monkeypatch):
    monkeypatch.setattr(found_rows, "MOST_BYTES_KEPT", 0)
    compared, replaced = [], []
    read, replace_all = found_rows.FoundRows.read, replace_keys.replace_all
    monkeypatch.setattr(found_rows.FoundRows, "read", lambda rows: compared.append(rows.rows) or read(rows))
    monkeypatch.setattr(
        refreshed_model, "replace_all", lambda *a, **o: replaced.append((a[1].rows, o)) or replace_all(*a, **o)
    )
    runs = small_runs(paths)
    runs.build(sail_session, SMALL)
    edit(runs, *[line(n, n % 40, 77.0, f"{'amz'[n % 3]}{n % 50}") for n in range(0, 1000, 10)])
    build = runs.build(sail_session, SMALL)
    assert is_equal(runs, sail_session, build)
    assert replaced[0] == (100, {"collect": True})  # of `detail`
    assert 100 not in compared


def test_several_runs_behind_and_the_log_of_a_refresh(sail_session, paths, capsys):
    runs = small_runs(paths)
    first = runs.build(sail_session, SMALL)
    edit(runs, line(1, 5, 8.0), line(2, 6, 1.0))
    edit(runs, line(1, 7, 8.0), deleted=[3])
    build = runs.build(sail_session, SMALL)
    assert [model.built for model in build.models.values()] == ["by key"] * 3
    assert (
        "(by key: 3 keys affected, 3 of them differ in 1,000 rows, 1 of 1 files rewritten)" in capsys.readouterr().out
    )
    assert is_equal(runs, sail_session, build)
    assert all_rows(paths, first, "detail").num_rows == 1000  # the earlier build is as it was


def test_files_without_an_affected_key_are_the_same_files(sail_session, paths):
    runs = small_runs(paths)
    first = runs.build(sail_session, SMALL)
    edit(runs, line(5000, 1, 1.0))
    edit(runs, *(line(n, 1, 2.0) for n in range(10, 40)))
    second = runs.build(sail_session, SMALL)
    edit(runs, line(10, 1, 3.0))
    third = runs.build(sail_session, SMALL)
    old, new = (set(DeltaTable(b.model_path(paths, "detail")).file_uris()) for b in (second, third))
    names = {Path(uri).name for uri in old} & {Path(uri).name for uri in new}
    assert len(names) == len(old) - 1 >= 2
    folders = [f"{path.parent.name}/{path.name}" for path in Path(paths.gold).glob("*/*")]
    expired = expired_builds([first, second, third], folders, 1, datetime.now(UTC) + timedelta(days=2))
    assert f"detail/{second.build_id}" in expired
    for folder in expired:
        shutil.rmtree(paths.gold_folder(folder))
    assert is_equal(runs, sail_session, third)
    assert not Path(paths.gold_staging).exists()


def test_a_forgotten_key_is_noticed(sail_session, paths):
    runs = small_runs(paths)
    plan = runs.plans["detail"]
    sql = f"SELECT * FROM ({plan.affected['silver.line']}) AS keys WHERE id <> 7"
    runs.plans["detail"] = replace(plan, affected={"silver.line": sql})
    runs.build(sail_session, SMALL)
    edit(runs, line(7, 0, 4.0), line(8, 0, 4.0))
    assert not is_equal(runs, sail_session, runs.build(sail_session, SMALL))


def test_a_restricted_query_that_returns_other_keys_is_not_used(sail_session, paths):
    runs = small_runs(paths)
    runs.plans["detail"] = replace(runs.plans["detail"], restricted_sql=SMALL[0].sql)
    runs.build(sail_session, SMALL)
    edit(runs, line(7, 0, 4.0))
    build = runs.build(sail_session, SMALL)
    assert build.models["detail"].why == "its restricted query returns rows of keys that are not affected"
    assert is_equal(runs, sail_session, build)


def test_a_job_that_dies_before_the_record_leaves_the_earlier_build(sail_session, paths, monkeypatch):
    runs = small_runs(paths)
    first = runs.build(sail_session, SMALL)
    edit(runs, line(7, 0, 4.5))
    with monkeypatch.context() as patched:
        patched.setattr(gold_run, "record_build", mock.Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            runs.build(sail_session, SMALL)
    assert read_builds(paths.gold_builds)[-1] == first
    edit(runs, line(8, 0, 4.5))
    build = runs.build(sail_session, SMALL)
    assert build.models["detail"].why.startswith("2 keys affected")
    assert is_equal(runs, sail_session, build)


def test_a_failed_check_leaves_the_earlier_build_and_the_next_one_takes_all_changes(sail_session, paths):
    runs, models = small_runs(paths), refreshed_models(limit=10)
    first = runs.build(sail_session, models)
    edit(runs, line(7, 0, 11.0), line(9, 3, 2.0))
    with pytest.raises(QualityGateError, match=r"gold.detail: limit \(range\) in 1 rows of 1000 failed"):
        runs.build(sail_session, models)
    assert read_builds(paths.gold_builds)[-1] == first
    edit(runs, line(7, 0, 10.0))
    build = runs.build(sail_session, models)
    assert build.models["detail"].why.startswith("2 keys affected")
    assert is_equal(runs, sail_session, build, models)


def test_what_is_not_proved_is_built_whole(sail_session, paths, monkeypatch):
    runs = small_runs(paths)
    runs.build(sail_session, SMALL)
    edit(runs, line(7, 0, 4.5))
    changed = [m.model_copy(update={"sql": f"{m.sql} -- another text"}) for m in SMALL]
    assert runs.build(sail_session, changed).models["detail"].why == "its query or contract changed"
    edit(runs, line(8, 0, 4.5))
    shutil.rmtree(paths.silver_changes("line", batch(runs.number)))
    unknown = "there is no complete change set of silver.line since its last build"
    assert runs.build(sail_session, changed).models["detail"].why == unknown
    runs.replace({"line": pa.Table.from_pylist(list(runs.rows["line"].values())[:900], SCHEMAS["line"])})
    build = runs.build(sail_session, changed)
    assert [m.why for m in build.models.values()] == [unknown, *(m.why for m in list(build.models.values())[1:])]
    assert is_equal(runs, sail_session, build, changed)
    monkeypatch.setattr(choose, "LARGEST_SHARE", 0.01)
    edit(runs, *(line(n, 1, 1.5) for n in range(20)))
    assert runs.build(sail_session, changed).models["detail"].why == "20 keys are affected, and the table has 900 rows"
    monkeypatch.setattr(choose, "SMALL_INPUT_ROWS", 1000)
    edit(runs, line(9, 0, 4.5))
    assert runs.build(sail_session, changed).models["detail"].why == "its input has only 900 rows"


@pytest.mark.spark
def test_a_refresh_on_apache_spark(spark_session, paths):
    runs = small_runs(paths)
    runs.build(spark_session, SMALL)
    edit(runs, line(7, 0, 4.5), line(2000, 41, 4.5, None), deleted=[9])
    build = runs.build(spark_session, SMALL)
    assert [model.built for model in build.models.values()] == ["by key"] * 3
    assert is_equal(runs, spark_session, build)


def test_the_change_sets_of_the_silver_job(sail_session, lake, apply):
    """A merged snapshot: a changed, a new and a deleted row, and a column that the model does not read."""
    t = table("t", {"id": "integer", "v": "text", "w": "text"}, key=["id"])
    plan = derive_refresh(MODEL, {"silver__t": silver_relation(t)})

    def run(number, rows):
        apply((t, [{"id": key, "v": v, "w": w} for key, v, w in rows]), number=number)
        document = run_document(lake, batch(number), (MODEL,), refresh={MODEL.name: plan})
        built = build_gold(sail_session, document)
        shown = all_rows(lake, built, MODEL.name).to_pylist()
        assert [(row["id"], row["v"]) for row in shown] == [(key, v) for key, v, _ in rows]
        return built.models[MODEL.name]

    rows = [(key, "x", "a") for key in range(50)]
    assert run(1, rows).built == "whole"
    changed = run(2, [(0, "y", "a"), *rows[2:], (99, "z", "a")])
    assert (changed.built, changed.why.partition(",")[0]) == ("by key", "3 keys affected")
    same = run(3, [(0, "y", "b"), *rows[2:], (99, "z", "b")])
    assert (same.built, same.why) == ("same rows", "2 keys affected, no row differs")
    assert same.path == changed.path

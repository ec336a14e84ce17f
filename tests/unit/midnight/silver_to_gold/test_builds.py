"""The recorded builds: which one readers use, and which folders may be deleted."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from midnight.lake.paths import LakePaths, relative_gold_model
from midnight.silver_to_gold.builds import (
    BuiltColumn,
    BuiltModel,
    CheckResult,
    GoldBuild,
    expired_builds,
    make_build_id,
    read_builds,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def build(day: int, **built_in: int) -> GoldBuild:
    """A build of a day of November; ``built_in``: model -> the day of the build that wrote it."""
    ids = {d: make_build_id(f"batch{d}", datetime(2026, 11, d, 1, tzinfo=UTC)) for d in {day, *built_in.values()}}
    models = {
        name: BuiltModel(
            path=relative_gold_model(name, ids[written]),
            rows=3,
            built_in=ids[written],
            definition="d",
            inputs={"silver.a": "x"},
            key=("a",),
            columns=(BuiltColumn(name="a", type="INT"),),
            checks=(CheckResult(name="key", rule="unique", on_failure="fail", failed_rows=0),),
        )
        for name, written in built_in.items()
    }
    completed_at = datetime(2026, 11, day, 2, tzinfo=UTC)
    return GoldBuild(build_id=ids[day], batch_id=f"batch{day}", run_id="r", completed_at=completed_at, models=models)


def record(path, *builds):
    rows = [{**b.model_dump(exclude={"models"}), "models": b.models_json()} for b in builds]
    write_deltalake(path, pa.Table.from_pylist(rows), mode="append")


def test_there_are_no_builds_before_the_first_one(tmp_path):
    assert read_builds(str(tmp_path / "nothing")) == []


def test_builds_are_read_in_the_order_of_their_completion(tmp_path):
    path = str(tmp_path / "builds")
    older, newer = build(20, a=20), build(21, a=20, b=21)
    record(path, newer)
    record(path, older)
    assert read_builds(path) == [older, newer]


def test_paths_are_relative_and_match_the_lake():
    paths = LakePaths.below("/somewhere/else")
    one = build(20, fact_flight=20)
    assert one.model_path(paths, "fact_flight") == paths.gold_model("fact_flight", one.build_id)
    assert not one.models["fact_flight"].path.startswith("/")


def test_folders_expire_if_no_kept_build_references_them():
    builds = [build(18, a=18, b=18), build(19, a=19, b=18), build(20, a=20, b=18), build(21, a=21, b=21)]
    folders = {model.path for b in builds for model in b.models.values()}
    crashed = relative_gold_model("a", make_build_id("batch19", datetime(2026, 11, 19, 5, tzinfo=UTC)))
    running = relative_gold_model("a", make_build_id("batch1", NOW - timedelta(hours=1)))
    others = {"_midnight/builds", "a/notes", "a"}
    expired = expired_builds(builds, {*folders, crashed, running, *others}, keep=2, now=NOW)
    assert expired == tuple(sorted([builds[0].models["a"].path, builds[1].models["a"].path, crashed]))


def test_the_build_that_readers_use_cannot_expire():
    with pytest.raises(ValueError, match="keep=0"):
        expired_builds([build(20, a=20)], [], keep=0, now=NOW)


def test_attempts_of_one_batch_differ_and_sort_in_time_order():
    ids = [make_build_id("b", NOW + timedelta(microseconds=n)) for n in range(3)]
    assert ids == sorted(set(ids))


def test_without_a_recorded_build_only_old_folders_expire():
    old = relative_gold_model("a", make_build_id("b", NOW - timedelta(days=3)))
    new = relative_gold_model("a", make_build_id("b", NOW))
    assert expired_builds([], [old, new], keep=1, now=NOW) == (old,)

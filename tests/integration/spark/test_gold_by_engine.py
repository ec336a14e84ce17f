"""A lake that only the engine reads, as in Azure: here a folder that is named by a URL."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from midnight.errors import ModelError
from midnight.lake.paths import LakePaths
from spark_jobs.gold import replace_keys
from spark_jobs.gold.build_records import last_build
from spark_jobs.gold.tables import check_protocols
from tests.integration.spark.test_refreshed_gold import SMALL, edit, line, small_runs
from tests.support.gold_models import FIRST, SECOND, THIRD, build, model, small_silver
from tests.support.run_sequences.limits import refresh_anything


@pytest.fixture
def paths(tmp_path) -> LakePaths:
    return LakePaths.below(f"file://{tmp_path}/lake")


def folder(paths, built) -> Path:
    return Path(paths.gold_folder(built.path).removeprefix("file://"))


@pytest.mark.spark
def test_a_deleted_folder_is_found_with_one_listing(spark_session, paths):
    small_silver(paths)
    models = (model(), model("n", sql="SELECT a FROM gold__m", gold__m="gold.m"))
    first = build(spark_session, paths, *models)
    second = build(spark_session, paths, *models, batch=SECOND)
    assert second.models == first.models
    shutil.rmtree(folder(paths, second.models["n"]))
    third = build(spark_session, paths, *models, batch=THIRD)
    assert [third.models[name].built_in == third.build_id for name in ("m", "n")] == [False, True]


def test_builds_are_recorded_and_found(sail_session, paths):
    small_silver(paths)
    first = build(sail_session, paths, model())
    second = build(sail_session, paths, model(), batch=SECOND)
    assert second.models == first.models
    assert last_build(sail_session, paths.gold_builds) == second


def test_the_protocols_of_all_tables_are_checked_in_one_query(sail_session, paths):
    small_silver(paths)
    first = build(sail_session, paths, model(), batch=FIRST)
    path = paths.gold_folder(first.models["m"].path)
    check_protocols(sail_session, {"m": path, "n": path})
    commit = folder(paths, first.models["m"]) / "_delta_log" / f"{0:020}.json"
    commit.write_text(commit.read_text().replace('"minReaderVersion":1', '"minReaderVersion":3'))
    with pytest.raises(ModelError, match=r"gold.m: .* Synapse serverless cannot read it: reader version 3"):
        check_protocols(sail_session, {"m": path})


@pytest.mark.spark
def test_a_refresh_in_a_clone(spark_session, paths, monkeypatch):
    """Apache Spark has no deep clones: this one is shallow."""
    refresh_anything(monkeypatch)
    statements = replace_keys.clone_statements

    def shallow(*given):
        return [text.replace("DEEP", "SHALLOW") for text in statements(*given)]

    monkeypatch.setattr(replace_keys, "clone_statements", shallow)
    models = SMALL[:1]
    runs = small_runs(paths)
    runs.build(spark_session, models)
    edit(runs, line(7, 0, 4.5), line(2000, 41, 4.5, None), deleted=[9])
    built = runs.build(spark_session, models)
    assert built.models["detail"].why.endswith("in a clone of the earlier table")
    other_paths, other = runs.build_whole(spark_session, models)
    shown = [
        sorted(map(str, spark_session.read.format("delta").load(gold.model_path(at, "detail")).collect()))
        for at, gold in ((paths, built), (other_paths, other))
    ]
    assert shown[0] == shown[1]
    assert built.models["detail"].checks == other.models["detail"].checks

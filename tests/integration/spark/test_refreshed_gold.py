"""Gold that is refreshed by keys equals gold that is built whole, whatever happened to silver."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pyarrow.compute as pc
import pytest

from midnight.lake.paths import LakePaths
from midnight.silver_to_gold.refresh import choose
from spark_jobs.runtime import file_plan
from tests.support.gold_lake import sample
from tests.support.gold_refresh import REFRESHED_MODELS, SilverRuns, assert_equal_gold

KEYS = {"airlines": "carrier", "airports": "faa", "planes": "tailnum", "flights": "flight_id", "weather": "_key"}
RUNS = 4


@pytest.fixture(autouse=True)
def _always_refreshed(monkeypatch):
    """Small tables are refreshed, too, and consist of several files."""
    monkeypatch.setattr(choose, "SMALL_INPUT_ROWS", 0)
    monkeypatch.setattr(choose, "LARGEST_SHARE", 1.0)
    monkeypatch.setattr(file_plan, "FILE_BYTES", 1)
    monkeypatch.setattr(file_plan, "_FEWEST_ROWS", 300)


@pytest.fixture
def paths(tmp_path) -> LakePaths:
    return LakePaths.below(str(tmp_path / "lake"))


def demo_runs(paths) -> SilverRuns:
    """The first day of the demo."""
    tables = {name: rows for name, rows in sample(1).items() if name != "weather"}
    tables["planes"] = tables["planes"].slice(0, 500)
    runs = SilverRuns(paths, {name: rows.schema for name, rows in tables.items()}, KEYS)
    runs.replace(tables)
    weather = sample(1)["weather"]
    runs.schemas = {**runs.schemas, "weather": weather.schema}
    runs.keys = {**KEYS, "weather": "time_hour"}
    runs.rows["weather"] = {}
    only = weather.filter(pc.equal(weather["origin"], "JFK"))
    runs.replace({"weather": only})
    return runs


def changed(rows, chance: random.Random, table: str):
    """A few rows deleted, changed and inserted."""
    after = dict(rows)
    some = chance.sample(list(after), min(len(after), chance.choice([0, 1, 3, 20])))
    for key in some:
        what = chance.random()
        if what < 0.3:
            del after[key]
        else:
            after[key] = _edited(after[key], chance, table)
    if table == "flights":
        for _ in range(chance.choice([0, 0, 2])):
            new = dict(chance.choice(list(rows.values())))
            new["flight_id"] = 10_000_000 + chance.randrange(10**6)
            after[new["flight_id"]] = new
    return after


def _edited(row, chance: random.Random, table: str):
    new = dict(row)
    if table == "flights":
        edit = chance.choice(["delay", "cancel", "move", "carrier", "dest", "nothing relevant"])
        if edit == "delay" and new["arr_delay"] is not None:
            new["arr_delay"] = chance.randrange(-30, 100)
        elif edit == "cancel":
            new |= dict.fromkeys(("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"))
        elif edit == "move":
            new["time_hour"] += timedelta(days=chance.randrange(3))
        elif edit == "carrier":
            new["carrier"] = chance.choice(["AA", "UA", "ZZ"])
        elif edit == "dest":
            new["dest"] = chance.choice(["ATL", "XXX", "LAX"])
        else:
            new["updated_at"] = datetime(2014, 1, chance.randrange(1, 28), tzinfo=UTC)
    elif table == "airports":
        new["name"] = f"renamed {chance.randrange(100)}"
    elif table == "planes":
        new["seats"] = chance.randrange(1, 400)
    elif table == "airlines":
        new["name"] = f"{new['name']}."
    else:
        new["wind_speed"] = float(chance.randrange(40))
    return new


@pytest.mark.parametrize("seed", range(3))
def test_random_changes_of_silver_give_the_gold_of_a_whole_build(sail_session, paths, seed):
    chance = random.Random(seed)  # noqa: S311 - a test
    runs = demo_runs(paths)
    runs.build(sail_session, REFRESHED_MODELS)
    ways: Counter[str] = Counter()
    for _ in range(RUNS):
        for _ in range(chance.choice([1, 1, 2])):  # several runs of silver before gold is built
            tables = [t for t in runs.rows if chance.random() < (0.8 if t == "flights" else 0.3)]
            runs.change({table: changed(runs.rows[table], chance, table) for table in tables})
        build = runs.build(sail_session, REFRESHED_MODELS)
        ways.update(model.built for model in build.models.values() if model.built_in == build.build_id)
        assert_equal_gold(paths, build, *runs.build_whole(sail_session, REFRESHED_MODELS))
    assert ways["by key"] >= RUNS, ways

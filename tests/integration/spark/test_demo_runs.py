"""Two runs of the demo from sealed bronze batches to gold: the real configuration, both jobs, and the rebuild."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from cli.demo.nycflights import planes_of, read_tables, with_updated_at
from midnight.configuration.tables import Table
from midnight.lake.ledger import latest_entries, read_ledger
from midnight.lake.paths import LakePaths
from spark_jobs.gold.run import build_gold
from spark_jobs.silver.run import build_silver
from tests.support.gold_lake import CONFIGURATION, DEMO_MODELS
from tests.support.sealed_batches import document, seal

# The days with known invalid rows: a wind of 1048 miles per hour, and a flight of 17 miles.
DAYS = [(1, 1), (2, 12), (7, 27)]
NEW_DAY = (7, 28)


def of_days(rows: pa.Table, days) -> pa.Table:
    wanted = pa.array([month * 100 + day for month, day in days], pa.int64())
    return rows.filter(pc.is_in(pc.add(pc.multiply(rows["month"], 100), rows["day"]), value_set=wanted))


def moment(rows: pa.Table) -> pa.Table:
    texts = pc.strptime(rows["time_hour"], "%Y-%m-%dT%H:%M:%SZ", "us")
    return rows.set_column(rows.column_names.index("time_hour"), "time_hour", texts.cast(pa.timestamp("us", "UTC")))


@pytest.fixture(scope="module")
def demo_runs(sail_session, tmp_path_factory):
    """The lake after two runs, with their batches and builds."""
    paths = LakePaths.below(str(tmp_path_factory.mktemp("runs")))
    raw = read_tables()
    flights = with_updated_at(of_days(moment(raw["flights"]), [*DAYS, NEW_DAY]))
    raw["flights"] = flights.append_column("flight_id", pa.array(range(1, flights.num_rows + 1), pa.int64()))
    raw["weather"] = of_days(moment(raw["weather"]), [*DAYS, NEW_DAY])
    sealed, builds = [], []
    for number, days in enumerate([DAYS, [*DAYS, NEW_DAY]], start=1):
        flown = of_days(raw["flights"], days)
        if number == 2:  # one flight was withdrawn, another arrived later than first reported
            flown = flown.filter(pc.not_equal(flown["flight_id"], 5))
            late = pc.if_else(pc.equal(flown["flight_id"], 1), "99", flown["arr_delay"])
            flown = flown.set_column(flown.column_names.index("arr_delay"), "arr_delay", late)
        rows = {**raw, "flights": flown, "weather": of_days(raw["weather"], days)}
        rows["planes"] = planes_of(flown, raw["planes"])
        batches = [(t, seal(paths, t, number, select(rows[t.table], t))) for t in CONFIGURATION.tables]
        plan = document(paths, number, *batches).model_copy(update={"models": DEMO_MODELS})
        build_silver(sail_session, plan)
        builds.append(build_gold(sail_session, plan))
        sealed.append(batches)
    return paths, sealed, builds


def select(rows: pa.Table, table: Table) -> pa.Table:
    return rows.select([column.source_name for column in table.columns])


def gold_rows(paths, build, name):
    table = DeltaTable(build.model_path(paths, name)).to_pyarrow_table()
    return table.sort_by([(column, "ascending") for column in build.models[name].key]).to_pylist()


def test_the_known_invalid_rows_are_quarantined(demo_runs):
    paths, _, _ = demo_runs
    newest = {e.table: e.quarantine_batch_id or e.batch_id for e in latest_entries(read_ledger(paths.ledger))}
    rows = DeltaTable(paths.quarantine).to_pyarrow_table().to_pylist()
    found = sorted((r["table"], r["rule"]) for r in rows if r["batch_id"] == newest[r["table"]])
    assert found == [
        ("airports", "lies_in_the_united_states"),
        ("airports", "lies_in_the_united_states"),
        ("airports", "lies_in_the_united_states"),
        ("flights", "distance_is_a_flight"),
        ("weather", "wind_is_possible"),
    ]


def test_gold_follows_the_source(demo_runs):
    paths, sealed, builds = demo_runs
    for batches, build in zip(sealed, builds, strict=True):
        sealed_flights = next(m.rows for t, m in batches if t.table == "flights")
        assert build.models["fact_flight"].rows == sealed_flights - 1  # the flight of 17 miles
    first, second = ({r["flight_key"]: r for r in gold_rows(paths, b, "fact_flight")} for b in builds)
    assert 5 in first
    assert 5 not in second
    assert (first[1]["arrival_delay_minutes"] != 99, second[1]["arrival_delay_minutes"]) == (True, 99)
    day = int(date(2013, *NEW_DAY).strftime("%Y%m%d"))
    assert not any(r["date_key"] == day for r in first.values())
    assert sum(r["date_key"] == day for r in second.values()) > 900


def test_dimensions_without_a_change_are_not_built_again(demo_runs):
    _, _, (first, second) = demo_runs
    same = {name for name in first.models if first.models[name].path == second.models[name].path}
    # The calendar is built again when a flight is new, and has the same days.
    assert same == {"dim_airline", "dim_airport", "dim_date"}


def test_a_rebuild_from_the_sealed_batches_gives_the_same_gold(demo_runs, sail_session):
    paths, sealed, (_, second) = demo_runs
    histories = [
        (t, [next(m for other, m in batches if other is t) for batches in sealed]) for t in CONFIGURATION.tables
    ]
    plan = document(paths, 3, *histories, rebuild=True).model_copy(update={"models": DEMO_MODELS})
    build_silver(sail_session, plan)
    rebuilt = build_gold(sail_session, plan)
    for name in second.models:
        assert rebuilt.models[name].path != second.models[name].path
        assert gold_rows(paths, rebuilt, name) == gold_rows(paths, second, name)

"""Summaries of runs: what the page of the morning and the views of the runs are made from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from midnight.lake.ledger import LedgerEntry
from midnight.summary.document import (
    Anomaly,
    BronzeBatch,
    CheckSummary,
    CostItem,
    CostSummary,
    ModelSummary,
    QuarantineExample,
    QuarantineSummary,
    RunFigures,
    RunSummary,
    TableSummary,
)

HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>"
DUE = datetime(2026, 11, 30, 5, tzinfo=UTC)  # midnight in New York
# table: rows of silver, inserted, updated, deleted, quarantined, warnings
DEMO = {
    "airlines": (16, 0, 0, 0, 0, 0),
    "airports": (1_455, 0, 0, 0, 3, 0),
    "flights": (253_443, 965, 40, 5, 1, 42_866),
    "planes": (3_322, 2, 0, 0, 0, 0),
    "weather": (19_614, 72, 0, 0, 0, 12),
}


def batch_id(days_ago: int = 0) -> str:
    return f"{DUE - timedelta(days=days_ago):%Y%m%dT%H%M%S}000Z-0a1b2c3d"


def run_id(days_ago: int = 0) -> str:
    return f"scheduled__{(DUE - timedelta(days=days_ago)).isoformat()}"


def figures(days_ago: int = 0, **changes: Any) -> RunFigures:
    """A published run that took about 50 s."""
    due, slower = DUE - timedelta(days=days_ago), days_ago % 7
    values: dict[str, Any] = {
        "run_id": run_id(days_ago),
        "batch_id": batch_id(days_ago),
        "due": due,
        "state": "published",
        "published_at": due + timedelta(minutes=4, seconds=20 * slower),
        "seconds": 50 + slower,
        "stages": {
            "ingest": 9,
            "bronze": 2,
            "silver": 17 + slower / 2,
            "gold": 12,
            "serve": 9 + slower / 2,
            "report": 2,
        },
        "rows_in": 277_850 - 970 * days_ago,
        "changed": 1_084 + 60 * slower,
        "quarantined": 4,
        "warnings": 42_878 - 150 * days_ago,
    }
    return RunFigures(**values | changes)


def table(name: str, counts: tuple[int, int, int, int, int, int], days: int = 29, **changes: Any) -> TableSummary:
    """A table whose ledger is balanced."""
    rows, inserted, updated, deleted, quarantined, warnings = counts
    entry = LedgerEntry(
        batch_id=batch_id(),
        run_id=run_id(),
        attempt_at=DUE + timedelta(seconds=40),
        table=name,
        source_table=f"public.{name}",
        status="applied",
        rows_in=rows + quarantined,
        inserted=inserted,
        updated=updated,
        unchanged=rows - inserted - updated,
        deleted=deleted,
        quarantined=quarantined,
        warnings=warnings,
        silver_before=rows - inserted + deleted,
        silver_after=rows,
    )
    batch = BronzeBatch(
        batch_id=batch_id(),
        read_at=DUE + timedelta(seconds=5),
        sealed_at=DUE + timedelta(seconds=14),
        mode="snapshot",
        rows=entry.rows_in,
        files=1 + rows // 100_000,
        bytes=rows * 30,
        written_by="operator 1.0",
        server="nycflights on PostgreSQL 18.6",
    )
    step = max(0, inserted - deleted)
    values: dict[str, Any] = {
        "entry": entry.model_copy(update=changes.pop("entry", {})),
        "batch": batch,
        "rows_before": tuple(rows - step * days_ago for days_ago in range(days, 0, -1)),
        "reconciliation": "counts and digests equal the source's",
    }
    return TableSummary(**values | changes)


def check(name: str, requirement: str, failed: int = 0, table: str = "flights", **changes: Any) -> CheckSummary:
    """A check of silver that warns; in the runs before as many rows failed as now."""
    values: dict[str, Any] = {
        "layer": "silver",
        "table": table,
        "name": name,
        "requirement": requirement,
        "on_failure": "warn",
        "rows": DEMO.get(table, (1000,))[0],
        "failed_rows": failed,
        "failed_before": (failed,) * 29,
    }
    return CheckSummary(**values | changes)


CHECKS = (
    check("tailnum", "tailnum is one of planes.tailnum", 42_866, failed_before=tuple(range(41_000, 42_700, 60)),
          description="Some airlines report fleet numbers instead.", owner="fleet-data", link="https://example.com/fleet"),
    check("precip", "precip is at most 1", 12, table="weather"),
    check("lon", "lon is between -180 and -60", 3, table="airports", on_failure="quarantine", failed_before=(2,) * 29),
    check("distance", "distance is above 0", 1, on_failure="quarantine"),
    check("key", "year, month, day, carrier, flight, origin is unique", on_failure="fail"),
    check("carrier", "carrier is one of airlines.carrier", on_failure="fail"),
    check("faa", "faa is unique", table="airports", on_failure="fail"),
    check("rows", "fact_flight has at least 1 row", table="fact_flight", layer="gold", on_failure="fail"),
)  # fmt: skip
QUARANTINE = (
    QuarantineSummary(
        table="airports",
        rule="lon",
        requirement="lon is between -180 and -60",
        rows=3,
        new_rows=1,
        since=DUE - timedelta(days=12),
        examples=(
            QuarantineExample(key='faa="MYF"', column="lon", value="-11.713", is_new=True),
            QuarantineExample(key='faa="DVT"', column="lon", value="112.08"),
        ),
        hint="Correct lon in public.airports, or widen the range in include/tables/public.airports.yml.",
        description="Airports of the United States.",
        owner="network-planning",
    ),
    QuarantineSummary(
        table="flights",
        rule="distance",
        requirement="distance is above 0",
        rows=1,
        since=DUE - timedelta(days=90),
        examples=(QuarantineExample(key="year=2013, flight=1632", column="distance", value="-17"),),
        hint="Correct distance in public.flights.",
    ),
)
MODELS = tuple(
    ModelSummary(name=name, description=text, rows=rows, built=built, why=why, seconds=seconds, checks=checks)
    for name, text, rows, built, why, seconds, checks in (
        ("dim_airline", "One row per airline.", 16, "kept", "", 0, 3),
        ("dim_airport", "One row per airport.", 1_455, "kept", "", 0, 5),
        ("dim_date", "One row per day.", 730, "kept", "", 0, 3),
        ("fact_flight", "One row per flight.", 253_443, "by key", "1,010 changed keys of flights", 6.2, 12),
        ("mart_daily", "Punctuality by day and carrier.", 4_812, "whole", "its inputs have changed", 3.1, 6),
    )
)


def quiet(**changes: Any) -> RunSummary:
    """A published run without anything to look at, after 29 others."""
    values: dict[str, Any] = {
        "figures": figures(),
        "earlier": tuple(figures(days_ago) for days_ago in range(29, 0, -1)),
        "written_at": DUE + timedelta(minutes=4),
        "pipeline": "nycflights",
        "timezone": "America/New_York",
        "build_id": f"{batch_id()}-1",
        "data_up_to": DUE + timedelta(seconds=5),
        "tables": tuple(table(name, counts) for name, counts in DEMO.items()),
        "checks": tuple(c.model_copy(update={"failed_before": (c.failed_rows,) * 29}) for c in CHECKS),
        "quarantine": tuple(
            rule.model_copy(update={"new_rows": 0, "examples": rule.examples[-1:]}) for rule in QUARANTINE
        ),
        "models": MODELS,
        "proof": ("Digests of 5 tables equal the source's.",),
    }
    return RunSummary(**values | changes)


def eventful() -> RunSummary:
    """The run of the wireframe: one new row in quarantine, more warnings, a new column, an anomaly, and its cost."""
    tables = tuple(
        table(name, counts)
        if name not in ("airports", "weather")
        else table(
            name,
            counts,
            quarantined_new=int(name == "airports"),
            schema_changes=("new column wind_gust_kmh flows to silver",) if name == "weather" else (),
        )
        for name, counts in DEMO.items()
    )
    anomaly = Anomaly(
        table="planes", figure="new", value=2, low=0, high=1, message="planes: 2 new rows, usually 0 to 1"
    )
    items = (
        CostItem(part="databricks", fact="seconds of a job cluster", quantity=420, price=0.0011, amount=0.46),
        CostItem(part="synapse", fact="TB scanned", quantity=0.012, price=4.6, amount=0.055, table="fact_flight"),
    )
    cost = CostSummary(currency="EUR", prices_of="2026-10-01", total=0.515, budget=2, items=items)
    earlier = tuple(figures(days_ago, cost=0.5) for days_ago in range(29, 0, -1))
    return quiet(
        tables=tables, checks=CHECKS, quarantine=QUARANTINE, anomalies=(anomaly,), cost=cost, earlier=earlier,
        figures=figures(cost=0.515),
    )  # fmt: skip


def stopped() -> RunSummary:
    """A run that has published everything but one table."""
    message = "public.weather has no column 'pressure'; hint: correct include/tables/public.weather.yml"
    tables = tuple(
        table(name, counts, entry={"status": "stopped", "message": message} if name == "weather" else {})
        for name, counts in DEMO.items()
    )
    return quiet(figures=figures(state="partial"), tables=tables)


def first() -> RunSummary:
    """The first run: nothing to compare with."""
    tables = tuple(
        table(name, (rows, rows, 0, 0, quarantined, warnings), days=0)
        for name, (rows, _, _, _, quarantined, warnings) in DEMO.items()
    )
    checks = tuple(c.model_copy(update={"failed_before": ()}) for c in CHECKS)
    return quiet(tables=tables, checks=checks, earlier=(), quarantine=QUARANTINE)


def many(count: int = 500) -> RunSummary:
    """As many tables, two of them unusual."""
    tables = tuple(
        table(
            f"table_{number:03}",
            (1000 + number, 3, 2, 0, int(number in (77, 401)), 0),
            quarantined_new=int(number in (77, 401)),
        )
        for number in range(count)
    )
    checks = tuple(check("key", "id is unique", table=f"table_{number:03}") for number in range(count))
    return quiet(tables=tables, checks=checks, quarantine=())


def hostile() -> RunSummary:
    """Every text of the source is an attack, or too long; a masked value is empty."""
    long = "Z" * 400
    tables = (
        table(HOSTILE, (5, 1, 0, 0, 1, 1), schema_changes=(f"new column {HOSTILE}",), reconciliation=HOSTILE,
              entry={"message": f"{HOSTILE}\n{long}", "source_warnings": HOSTILE}),
        table(long, (7, 0, 0, 0, 0, 0)),
    )  # fmt: skip
    checks = (
        check(HOSTILE, HOSTILE, 2, table=HOSTILE, description=HOSTILE, owner=HOSTILE, link="javascript:alert(1)"),
    )
    examples = (
        QuarantineExample(key=HOSTILE, column=HOSTILE, value=HOSTILE, is_new=True),
        QuarantineExample(key=long, column="email"),
    )
    rule = QuarantineSummary(
        table=HOSTILE, rule=HOSTILE, requirement=HOSTILE, rows=2, examples=examples, hint=HOSTILE, description=HOSTILE
    )
    models = (ModelSummary(name=HOSTILE, description=long, rows=1, built="whole", why=HOSTILE),)
    return quiet(tables=tables, checks=checks, quarantine=(rule,), models=models, proof=(HOSTILE,), build_id=HOSTILE)


def numbered(number: int, state: str = "published") -> RunSummary:
    """A small run: one table with a row in quarantine, and the ledger entry that another run wrote."""
    own = {"run_id": f"run {number}", "batch_id": f"B{number}"}
    of_run: dict[str, Any] = {**own, "published_at": None}
    ours = table("sales", (5, 0, 0, 0, 1, 0), entry=own, quarantined_new=1)
    batch = ours.batch and ours.batch.model_copy(update={"batch_id": own["batch_id"]})
    of_others = table("customers", (3, 0, 0, 0, 0, 0), entry={"run_id": "run 0", "batch_id": "B0"})
    lon: dict[str, Any] = {"table": "sales", "requirement": "lon is at most 180", "owner": "maps"}
    return quiet(
        figures=figures(0, **of_run, due=DUE + timedelta(days=number), state=state, quarantined=1),
        earlier=(),
        pipeline="shop",
        timezone="UTC",
        tables=(ours.model_copy(update={"batch": batch}), of_others.model_copy(update={"batch": None})),
        checks=(check("lon", failed=1, rows=6, on_failure="quarantine", **lon),),
        quarantine=(
            QuarantineSummary(rule="lon", rows=1, new_rows=1, examples=(QuarantineExample(key="id=1"),), **lon),
        ),
        models=(),
        proof=(),
    )

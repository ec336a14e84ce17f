"""Random rows for the five tables of the demo: few of each, so that they meet in joins and groups."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import yaml

from midnight.settings import REPOSITORY
from tests.support.run_sequences.synthetic_tables import Row, SourceTable, mostly

CARRIERS = ("AA", "UA", "9E", "XX")
AIRPORTS = ("EWR", "JFK", "LGA", "BOS", "SJU")
PLANES = ("N1", "N2A", "N33", "D942DN")
# Three hours of each of two days, and one in another year by UTC, but not by New York's time.
HOURS = (
    *(datetime(2013, month, day, hour, tzinfo=UTC) for month, day in ((1, 1), (7, 27)) for hour in (5, 17, 23)),
    datetime(2014, 1, 1, 3, tzinfo=UTC),
)


def _airline(rng: Random) -> Row:
    return {"carrier": mostly(rng, CARRIERS[:3], ["bad"]), "name": mostly(rng, ["Endeavor", "United "], [None])}


def _airport(rng: Random) -> Row:
    return {
        "faa": rng.choice(AIRPORTS[:4]),
        "name": rng.choice(["Newark", "Kennedy", "Logan"]),
        "lat": rng.choice([40.7, 42.3]),
        "lon": mostly(rng, [-74.2, -73.8, -71.0], [74.2]),
        "alt": rng.choice([13, 18, 20000]),
        "tz": -5,
        "dst": rng.choice(["A", "N"]),
        "tzone": rng.choice(["America/New_York", "NA", ""]),
    }


def _plane(rng: Random) -> Row:
    return {
        "tailnum": rng.choice(PLANES),
        "year": mostly(rng, ["1999", "2013", "NA"], ["0"]),
        "type": "Fixed wing",
        "manufacturer": rng.choice(["AIRBUS", "AIRBUS INDUSTRIE", "BOEING"]),
        "model": rng.choice(["A320", "737"]),
        "engines": rng.choice([1, 2, 5]),
        "seats": rng.choice([2, 99, 182, 400]),
        "speed": "NA",
        "engine": rng.choice(["Turbo-fan", "NA"]),
    }


def _flight(rng: Random) -> Row:
    cancelled = rng.random() < 0.2
    diverted = cancelled or rng.random() < 0.2
    return {
        "flight_id": rng.randint(1, 15),
        "year": 2013,
        "month": 1,
        "day": 1,
        "dep_time": "NA" if cancelled else "517",
        "sched_dep_time": mostly(rng, [515, 1745, 2400], [1299]),
        "dep_delay": "NA" if cancelled else rng.choice(["-3", "0", "2", "15", "61"]),
        "arr_time": "NA" if diverted else rng.choice(["830", "2400"]),
        "sched_arr_time": rng.choice([819, 2030]),
        "arr_delay": "NA" if diverted else mostly(rng, ["-10", "11", "14", "15", "99"], ["late"]),
        "carrier": mostly(rng, CARRIERS[:3], ["XX"]),
        "flight": rng.randint(1, 9),
        "tailnum": rng.choice([*PLANES, "N999", "NA"]),
        "origin": mostly(rng, AIRPORTS[:3], ["BOS"]),
        "dest": rng.choice(AIRPORTS),
        "air_time": "NA" if diverted else rng.choice(["40", "183"]),
        "distance": mostly(rng, [187, 1400], [17]),
        "hour": 5,
        "minute": 15,
        "time_hour": rng.choice(HOURS),
    }


def _weather(rng: Random) -> Row:
    return {
        "origin": rng.choice(AIRPORTS[:3]),
        "year": 2013,
        "month": 1,
        "day": 1,
        "hour": 5,
        "temp": Decimal(rng.choice(["39.02", "75.20", "200.00"])),
        "dewp": Decimal(rng.choice(["28.04", "80.00"])),
        "humid": Decimal("64.43"),
        "wind_dir": rng.choice(["230", "NA"]),
        "wind_speed": mostly(rng, [3.45234, 12.65858, 16.11092], [1048.36058]),
        "wind_gust": rng.choice([None, 25.31716]),
        "precip": Decimal(rng.choice(["0.00", "0.05", "0.30"])),
        "pressure": Decimal("1011.9"),
        "visib": Decimal(rng.choice(["0.25", "2.00", "10.00"])),
        "time_hour": rng.choice(HOURS) + timedelta(hours=rng.choice([0, 0, 12])),
    }


def demo_tables() -> tuple[SourceTable, ...]:
    """The tables of ``include/tables``, with their files as they are."""
    rows = {"airlines": _airline, "airports": _airport, "planes": _plane, "flights": _flight, "weather": _weather}
    folder = REPOSITORY / "include" / "tables"
    return tuple(
        SourceTable(
            yaml.safe_load((folder / f"public.{name}.yml").read_text(encoding="utf-8")),
            new_row,
            "updated_at" if name == "flights" else "",
        )
        for name, new_row in rows.items()
    )

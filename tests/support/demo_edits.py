"""Random changes of the demo's tables."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta


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

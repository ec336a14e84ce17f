"""Small source tables with every kind of key, and random rows for them: what the synthetic models read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

Row = dict[str, Any]

CODES = ("a", "A", "b", "É", "ß", "Z'x", "a b", "1")
DAYS = tuple(date(2024, 2, 27) + timedelta(days=n) for n in range(5))
# Doubles cannot hold the last two apart.
PRICES = tuple(map(Decimal, ("-1.10", "0.00", "1.10", "1.11", "99.99", "1234567890123456.78", "1234567890123456.79")))
MOMENTS = tuple(
    datetime(*parts, tzinfo=UTC)
    for parts in (
        (1969, 12, 31, 23, 59, 59, 999999),
        (2024, 2, 29, 0, 0, 0, 0),
        (2024, 2, 29, 0, 0, 0, 1),
        (2024, 2, 29, 1, 30, 0, 0),
        (2024, 3, 31, 1, 30, 0, 0),
        (9998, 1, 1, 0, 0, 0, 0),
    )
)


@dataclass(frozen=True)
class SourceTable:
    """A table of the source.

    Args:
        configuration: its file in ``include/tables``.
        new_row: a random row; a new key is one of few, so that it often exists.
        cursor: the column of the time of the last write; empty if there is none.
    """

    configuration: dict[str, Any]
    new_row: Callable[[Random], Row]
    cursor: str = ""

    @property
    def name(self) -> str:
        return str(self.configuration["table"])


def _table(name: str, key: list[str], columns: dict[str, Any], *checks: dict[str, Any], **more: Any) -> dict[str, Any]:
    """With a cursor, and a column whose values make a run fail when they are not 0."""
    given: dict[str, Any] = {**columns, "flaw": "integer", "moved": {"type": "integer", "drop": True}}
    listed = [{"name": n, **({"type": kind} if isinstance(kind, str) else kind)} for n, kind in given.items()]
    guard = {"rule": "range", "name": "without_flaw", "column": "flaw", "max": 0, "on_failure": "fail"}
    return {
        "schema": "public",
        "table": name,
        "silver": name,
        "key": key,
        "null_values": ["NA"],
        "columns": listed,
        "checks": [*checks, guard],
        **more,
    }


def mostly(rng: Random, clean: Sequence[Any], dirty: Sequence[Any]) -> Any:
    """A value, of which one in ten is dirty: most rows must reach silver and gold."""
    return rng.choice(dirty if rng.random() < 0.1 else clean)


def _customer(rng: Random) -> Row:
    return {
        "code": rng.choice(CODES),
        "name": rng.choice(["Ann", "Bob ", " Åke", "NA", None]),
        "country": rng.choice(["DE", "FR", "NA", None]),
        "level": mostly(rng, ["1", "2", "3", None], ["51", "x"]),
    }


def _order(rng: Random) -> Row:
    return {
        "id": rng.choice([*range(1, 13), 2**40]),
        "customer": mostly(rng, CODES, ["unknown", None]),
        "day": rng.choice(DAYS),
        "amount": Decimal(mostly(rng, [-5, 0, 1, 10, 999], [2000])) / 4,
        "quantity": mostly(rng, ["1", "2", "7", "NA"], ["many"]),
        "note": mostly(rng, ["n", "", "N", "x"], ["NA", None]),
    }


def _line(rng: Random) -> Row:
    return {
        "order_id": mostly(rng, range(1, 13), [99]),
        "line": mostly(rng, [1, 2, 3], [None]),
        "product": rng.choice(["p", "q", "r", "NA"]),
        "price": rng.choice(PRICES[:5]),
    }


def _price(rng: Random) -> Row:
    return {"price": rng.choice(PRICES), "label": rng.choice(["cheap", "fair", "dear", None])}


def _event(rng: Random) -> Row:
    return {
        "happened": rng.choice(MOMENTS),
        "kind": mostly(rng, ["start", "stop"], ["odd"]),
        "weight": rng.choice([Decimal("0.125"), Decimal("-7"), Decimal("1.001"), None]),
        "ratio": rng.choice([0.1, -0.0, 0.0, 1e300, None]),
    }


def _employee(rng: Random) -> Row:
    return {"id": rng.randint(1, 6), "boss": mostly(rng, [None, 1, 2, 3, 4], [9]), "name": rng.choice(["k", "l", "m"])}


def _login(rng: Random) -> Row:
    return {"name": mostly(rng, ["k", "l", "m"], [None]), "place": mostly(rng, ["x", "y", "z"], ["NA"])}


def _word(rng: Random) -> Row:
    return {"word": rng.choice(["one", "two", None]), "n": mostly(rng, ["1", "-1", None], ["2", "x"])}


TABLES: tuple[SourceTable, ...] = (
    SourceTable(
        _table(
            "customers",
            ["code"],
            {
                "code": "text",
                "name": "text",
                "country": {"type": "text", "nulls": {"fill": "??"}},
                "level": {"type": "text", "cast": "integer"},
            },
            {"rule": "range", "name": "level_is_possible", "column": "level", "max": 50},
        ),
        _customer,
        "moved",
    ),
    SourceTable(
        _table(
            "orders",
            ["id"],
            {
                "id": "bigint",
                "customer": "text",
                "day": "date",
                "amount": "numeric(12,2)",
                "quantity": {"type": "text", "cast": "integer"},
                "note": {"type": "text", "nulls": "drop_row"},
            },
            {"rule": "range", "name": "amount_is_possible", "column": "amount", "max": 400},
            {"rule": "foreign_key", "columns": ["customer"], "table": "customers", "references": ["code"]},
        ),
        _order,
        "moved",
    ),
    SourceTable(
        _table(
            "lines",
            ["order_id", "line"],
            {"order_id": "bigint", "line": "integer", "product": "text", "price": "numeric(8,2)"},
            {"rule": "foreign_key", "columns": ["order_id"], "table": "orders", "references": ["id"]},
            {"rule": "range", "column": "price", "min": 0, "on_failure": "warn"},
        ),
        _line,
        "moved",
    ),
    SourceTable(
        _table(
            "prices",
            ["price"],
            {"price": "numeric(18,2)", "label": "text"},
            {"rule": "unique", "columns": ["label"]},
        ),
        _price,
        "moved",
    ),
    SourceTable(
        _table(
            "events",
            ["happened"],
            {
                "happened": "timestamp with time zone",
                "kind": "text",
                "weight": "numeric(10,3)",
                "ratio": "double precision",
            },
            {"rule": "accepted_values", "column": "kind", "values": ["start", "stop"]},
        ),
        _event,
        "moved",
    ),
    SourceTable(
        _table(
            "staff",
            ["id"],
            {"id": "integer", "boss": "integer", "name": "text"},
            {"rule": "foreign_key", "columns": ["boss"], "table": "staff", "references": ["id"]},
        ),
        _employee,
        "moved",
    ),
    SourceTable(
        _table(
            "logins",
            ["name"],
            {"name": "text", "place": {"type": "text", "nulls": "drop_row"}},
            key_is_unique=False,
            order_by=["moved desc"],
        ),
        _login,
        "moved",
    ),
    SourceTable(
        _table(
            "words",
            [],
            {"word": "text", "n": {"type": "text", "cast": "integer"}},
            {"rule": "range", "column": "n", "max": 1},
            duplicates="keep",
        ),
        _word,
    ),
)

# What a rule may become in a later run: table -> changes of its file, each given a copy of it.
RULE_CHANGES: dict[str, tuple[dict[str, Any], ...]] = {
    "customers": (
        {"checks.0.max": 2},
        {"checks.0.max": 60},
        {"columns.2.nulls": "keep"},
        {"columns.1.nulls": {"fill": "nobody"}},
    ),
    "orders": (
        {"checks.0.max": 100},
        {"checks.0.max": 600},
        {"columns.5.nulls": "keep"},
        {"checks.1.on_failure": "warn"},
    ),
    "lines": ({"checks.1.on_failure": "quarantine"}, {"columns.2.nulls": "drop_row"}),
    "prices": ({"columns.1.nulls": {"fill": "fair"}},),
    "events": ({"checks.0.values": ["start", "stop", "odd"]}, {"columns.3.drop": True}),
    "staff": ({"checks.0.on_failure": "warn"},),
    "logins": ({"columns.1.nulls": "keep"}, {"order_by": ["moved"]}),
    "words": ({"checks.0.max": 2}, {"duplicates": "drop"}),
    "flights": ({"checks.4.min": 300}, {"checks.10.on_failure": "quarantine"}),
    "weather": ({"checks.1.max": 20}, {"order_by": ["temp desc"]}),
    "planes": ({"columns.8.nulls": "keep"}, {"checks.1.max": 150}),
    "airports": (),
    "airlines": (),
}

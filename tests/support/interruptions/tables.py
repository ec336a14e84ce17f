"""The source tables of the faults: every kind of key, and random writes."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import psycopg

from tests.support.interruptions.modes import Mode

# Rows above it are quarantined, and so are the rows that reference them.
LARGEST_AMOUNT = 400
FILLER = "x" * 120

DDL = """
CREATE TABLE customers (code text PRIMARY KEY, name text, level int, moved timestamptz NOT NULL DEFAULT now());
CREATE TABLE orders (
  id bigint PRIMARY KEY, customer text REFERENCES customers, day date, amount numeric(12,2), ratio double precision,
  note text, seen timestamp, token uuid, ok boolean, moved timestamptz NOT NULL DEFAULT now());
CREATE TABLE lines (
  order_id bigint REFERENCES orders ON DELETE CASCADE, line int, price numeric(8,2), moved bigint NOT NULL,
  PRIMARY KEY (order_id, line));
CREATE TABLE words (word text, n int);
CREATE SEQUENCE clock;
CREATE INDEX ON orders (moved);
"""
_COLUMNS: dict[str, dict[str, str]] = {
    "customers": {"code": "text", "name": "text", "level": "integer", "moved": "timestamp with time zone"},
    "orders": {
        **{"id": "bigint", "customer": "text", "day": "date", "amount": "numeric(12,2)"},
        **{"ratio": "double precision", "note": "text", "seen": "timestamp without time zone", "token": "uuid"},
        **{"ok": "boolean", "moved": "timestamp with time zone"},
    },
    "lines": {"order_id": "bigint", "line": "integer", "price": "numeric(8,2)", "moved": "bigint"},
    "words": {"word": "text", "n": "integer"},
}
NAMES = tuple(_COLUMNS)
KEYS = {"customers": ["code"], "orders": ["id"], "lines": ["order_id", "line"], "words": []}
_CHECKS: dict[str, list[dict[str, Any]]] = {
    "orders": [
        {"rule": "range", "column": "amount", "max": LARGEST_AMOUNT},
        {"rule": "foreign_key", "columns": ["customer"], "table": "customers", "references": ["code"]},
    ],
    "lines": [{"rule": "foreign_key", "columns": ["order_id"], "table": "orders", "references": ["id"]}],
}
# What silver must hold, as the source has it at that moment: written independently of the product's rules.
_CLEAN = f"coalesce(o.amount, 0) <= {LARGEST_AMOUNT}"
EXPECTED = {
    "customers": "SELECT code, name, level, moved FROM customers",
    "orders": "SELECT id, customer, day, amount, ratio, note, seen AT TIME ZONE 'UTC', token::text, ok, moved "
    f"FROM orders o WHERE {_CLEAN}",
    "lines": f"SELECT l.* FROM lines l JOIN orders o ON o.id = l.order_id WHERE {_CLEAN}",
    "words": "SELECT word, n FROM words",
}
MODEL_NAME = "customer_totals"
MODEL = (
    "SELECT c.code AS customer_key, count(o.id) AS orders, sum(o.amount) AS amount FROM silver.customers AS c "
    "LEFT JOIN silver.orders AS o ON o.customer = c.code{only} GROUP BY c.code"
)
# With soft deletes, the rows that the source still has.
ONLY = " AND o._midnight_deleted_batch_id IS NULL WHERE c._midnight_deleted_batch_id IS NULL"
MODEL_COLUMNS = [
    {"name": "customer_key", "type": "STRING", "max_length": 100},
    {"name": "orders", "type": "BIGINT"},
    {"name": "amount", "type": "DECIMAL(22,2)"},
]
EXPECTED_MODEL = (
    "SELECT c.code, count(o.id), sum(o.amount)::numeric(22,2) FROM customers c "
    f"LEFT JOIN orders o ON o.customer = c.code AND {_CLEAN} GROUP BY c.code"
)


def table_file(name: str, mode: Mode, *, incremental: bool) -> dict[str, Any]:
    """The configuration of a table.

    Args:
        name: of the table.
        mode: of the world.
        incremental: whether this table is; one without a key is a snapshot.
    """
    columns = [{"name": column, "type": kind} for column, kind in _COLUMNS[name].items()]
    file: dict[str, Any] = {
        **{"schema": "public", "table": name, "silver": name, "key": KEYS[name], "columns": columns},
        **{"checks": _CHECKS.get(name, []), "reconcile": mode.reconcile},
    }
    if name == "words":
        return file | {"duplicates": "keep"}
    if mode.deletes == "soft" or incremental:
        file["deletes"] = mode.deletes
    if incremental:
        file |= {"mode": "incremental", "cursor": mode.cursor, "full_snapshot_interval_days": 0}
    return file


def fill(connection: psycopg.Connection[Any], rows: int) -> None:
    """The first rows.

    Args:
        connection: to an empty database, with autocommit.
        rows: of the largest table.
    """
    connection.execute(DDL)
    connection.execute("INSERT INTO customers SELECT 'c' || i, 'n' || i, i % 7 FROM generate_series(1, 40) i")
    connection.execute(
        "INSERT INTO orders SELECT i, 'c' || (i %% 40 + 1), date '2024-02-27' + i %% 9, i %% 45000 / 100.0, i / 7.0, "
        "repeat(md5(i::text), CASE i %% 10 WHEN 0 THEN 500 ELSE 1 END) || %s, "
        "timestamp '2024-02-29' + i * interval '1 microsecond', md5(i::text)::uuid, i %% 3 = 0 "
        "FROM generate_series(1, %s) i",
        [FILLER, rows],
    )
    connection.execute("UPDATE orders SET amount = 400.01 WHERE id % 50 = 0")
    connection.execute(
        "INSERT INTO lines SELECT o.id, l, l / 4.0, nextval('clock') FROM orders o, generate_series(1, 2) l "
        "WHERE o.id % 4 = 0"
    )
    connection.execute(
        "INSERT INTO words SELECT CASE i % 5 WHEN 0 THEN NULL ELSE 'w' || i % 9 END, i % 4 "
        "FROM generate_series(1, 100) i"
    )


_STATEMENTS = (  # weight, deletes, SQL with %(i)s: a random number
    (4, False, "INSERT INTO customers VALUES ('c' || %(i)s, 'new', %(i)s %% 7) ON CONFLICT (code) DO UPDATE SET "
     "level = excluded.level, moved = clock_timestamp()"),
    (6, False, "INSERT INTO orders SELECT 1000000 + %(i)s + j, (SELECT code FROM customers ORDER BY md5(code || j) "
     "LIMIT 1), '2024-03-01', (%(i)s + j) %% 450, 1.5, 'n' || j, '2024-03-01', md5(%(i)s || ' ' || j)::uuid, NULL, "
     "clock_timestamp() FROM generate_series(1, 40) j ON CONFLICT (id) DO NOTHING"),
    (6, False, "UPDATE orders SET note = 'u%(i)s', amount = amount + 3, moved = clock_timestamp() "
     "WHERE id %% 97 = %(i)s %% 97"),
    (2, False, "UPDATE orders SET amount = 450, moved = clock_timestamp() WHERE id %% 211 = %(i)s %% 211"),
    (2, False, "UPDATE orders SET amount = 5, moved = clock_timestamp() WHERE amount > 400 AND id %% 3 = %(i)s %% 3"),
    (3, False, "INSERT INTO lines SELECT id, 10 + %(i)s %% 1000, 2.5, nextval('clock') FROM orders "
     "WHERE id %% 53 = %(i)s %% 53 ON CONFLICT DO NOTHING"),
    (3, False, "UPDATE lines SET price = price + 1, moved = nextval('clock') WHERE order_id %% 31 = %(i)s %% 31"),
    (2, False, "INSERT INTO words VALUES ('w' || %(i)s %% 9, %(i)s %% 4)"),
    (1, False, "UPDATE words SET n = n + 1 WHERE word = 'w' || %(i)s %% 9"),
    (2, True, "DELETE FROM orders WHERE id %% 83 = %(i)s %% 83"),
    (1, True, "DELETE FROM lines WHERE order_id %% 37 = %(i)s %% 37"),
    (1, True, "UPDATE customers SET code = code || 'x', moved = clock_timestamp() WHERE code NOT IN (SELECT customer "
     "FROM orders WHERE customer IS NOT NULL) AND level = %(i)s %% 7"),
)  # fmt: skip


def write(connection: psycopg.Connection[Any], rng: Random, *, deletes: bool, statements: int = 4) -> bool:
    """Random writes, each a transaction of its own.

    Args:
        connection: with autocommit.
        rng: decides.
        deletes: rows may go, or change their key.
        statements: how many.

    Returns:
        Whether a row may have gone.
    """
    possible = [each for each in _STATEMENTS if deletes or not each[1]]
    chosen = rng.choices(possible, [weight for weight, _, _ in possible], k=statements)
    for _, _, sql in chosen:
        connection.execute(sql, {"i": rng.randrange(1, 5000)})
    return any(gone for _, gone, _ in chosen)


def incremental_names(rng: Random, mode: Mode) -> Sequence[str]:
    """The tables that are incremental in a world of a mode: at least orders."""
    if not mode.incremental:
        return ()
    return ["orders", *rng.sample(["customers", "lines"], rng.randint(0, 2))]

"""What it costs to miss no late commit: the server's time to find 0.1 % changed rows, against reading all rows once.

Reference and variants are ``COPY … TO '/dev/null' (FORMAT binary)`` with the conditions that the reads of Midnight use,
on one connection of the same server, in turn; the result is the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

from benchmarks.orders import server_with
from benchmarks.results import show_figures

_TABLE = """
CREATE TABLE orders AS
SELECT i::bigint AS id, (i * 37 % 100000)::int AS customer, (i / 100.0)::numeric(12,2) AS amount,
       'note ' || i AS note, '2013-01-01'::timestamptz + make_interval(secs => i) AS created,
       (i % 7)::smallint AS state, md5(i::text) AS reference, i % 3 = 0 AS paid, date '2013-01-01' + i % 4000 AS due,
       '2013-01-01'::timestamptz + make_interval(secs => i) AS updated_at
FROM generate_series(1, {rows}) i
"""
_CHANGE = "UPDATE orders SET state = state + 1, updated_at = now() WHERE id % 1000 = 7"


def main(arguments: list[str] | None = None) -> None:
    """Print the seconds of each variant and their ratio to a full read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", type=Path, help="page to write the figures to")
    options = parser.parse_args(arguments)
    statements = (_TABLE.format(rows=options.rows), "CREATE INDEX ON orders (updated_at)", "VACUUM ANALYZE orders")
    with server_with(statements) as (_, connection):
        [(xmin,)] = connection.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint").fetchall()
        connection.execute(_CHANGE)
        connection.execute("ANALYZE orders")
        since = "updated_at >= now() - interval '2 hours' OR updated_at IS NULL"
        newer = f"(age(xmin) <= (SELECT age('{xmin % 2**32}'::xid)) AND age(xmin) > 0)"
        variants = {
            "all rows (reference)": "true",
            "late_commits: horizon, or the lag alone": since,
            "late_commits: visibility": f"{since} OR {newer}",
            "cursor: xmin": newer,
        }
        seconds: dict[str, list[float]] = {name: [] for name in variants}
        for _ in range(options.rounds):
            for name, condition in variants.items():
                seconds[name].append(_seconds(connection, condition))
    reference = seconds["all rows (reference)"]
    rows = [
        [name, f"{statistics.median(found):.3f} s", f"{_ratio(found, reference):.3f} x"]
        for name, found in seconds.items()
    ]
    title = f"{options.rows:,} rows of 10 columns, 0.1 % changed, {options.rounds} rounds, one connection."
    show_figures(title, [(["read", "median", "to reference"], rows)], options.write, "late_commits")


def _seconds(connection: Any, condition: str) -> float:
    started = time.perf_counter()
    connection.execute(f"COPY (SELECT * FROM orders WHERE {condition}) TO '/dev/null' (FORMAT binary)")
    return time.perf_counter() - started


def _ratio(found: list[float], reference: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(found, reference, strict=True))

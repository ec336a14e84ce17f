"""The tables that the benchmark of the extraction reads: each case has a column ``id`` in every table."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.orders import ROWS, TABLE

_WIDE = """
CREATE TABLE wide AS
SELECT i::bigint AS id,
       json_build_object('id', i, 'name', 'customer "' || i || '"', 'path', 'C:\\dir\\' || i,
                         'tags', ARRAY['a', 'b']) AS document,
       jsonb_build_object('a', i, 'b', md5(i::text), 'c', jsonb_build_array(i, i + 1, 'x"y')) AS attributes,
       ARRAY[i, i * 2, i * 3] AS numbers, ARRAY['tag ' || i % 10, 'a,b', 'c"d'] AS tags,
       decode(md5(i::text) || md5((i + 1)::text), 'hex') AS raw,
       'line one ' || i || E'\\nline two\\twith a tab \\\\ and a backslash' AS note, md5(i::text)::uuid AS guid,
       round(i / 3.0, 6) AS ratio, '2013-01-01'::timestamptz + make_interval(secs => i) AS created,
       CASE WHEN i % 3 = 0 THEN 'x' END AS rare, (i % 100)::smallint AS small, sqrt(i) AS root,
       make_interval(secs => i) AS span
FROM generate_series(1, 300000) i
"""
_MANY = """
DO $$ BEGIN FOR number IN 0..{last} LOOP EXECUTE format('CREATE TABLE small%s AS
    SELECT i::bigint AS id, (i * 37 %% 100)::int AS customer, (i / 100.0)::numeric(12,2) AS amount,
           ''note '' || i AS note, ''2013-01-01''::timestamptz + make_interval(secs => i) AS created
    FROM generate_series(1, 2000) i', number);
    EXECUTE format('ALTER TABLE small%s ADD PRIMARY KEY (id)', number);
END LOOP; END $$
"""


@dataclass(frozen=True)
class Case:
    """What is read.

    Args:
        title: for the heading of the result.
        statements: that create the tables.
        tables: their names.
        goal: of the ratio to the server's COPY.
        rounds: each runs every variant once.
    """

    title: str
    statements: tuple[str, ...]
    tables: tuple[str, ...]
    goal: float
    rounds: int


def _many(count: int, goal: float) -> Case:
    return Case(
        f"{count:,} tables of 2,000 rows",
        (_MANY.format(last=count - 1),),
        tuple(f"small{number}" for number in range(count)),
        goal,
        3,
    )


CASES = {
    "orders": Case(
        f"{ROWS:,} rows, 10 columns", (TABLE, "ALTER TABLE orders ADD PRIMARY KEY (id)"), ("orders",), 1.4, 5
    ),
    "wide": Case("300,000 rows, 14 columns with JSON, arrays, bytea and escapes", (_WIDE,), ("wide",), 2.5, 5),
    "200 tables": _many(200, 10),
    "1,000 tables": _many(1000, 10),
}

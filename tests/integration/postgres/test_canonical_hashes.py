"""The hashes that Midnight computes are the server's, for generated values of every form, in both ways of hashing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Context, Decimal

import numpy
import psycopg
import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.postgres.embedded import Server
from midnight.column_types import to_arrow
from midnight.postgres_to_bronze.digest_columns import FORMS
from midnight.reconciliation.canonical_values import LONGEST_HASHED, hash_column
from midnight.reconciliation.hashing import Hashing
from midnight.reconciliation.source_forms import DigestColumn, hash_sql
from tests.support.other_postgres import needs_postgres

BIGINT = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
LONG = st.integers(LONGEST_HASHED - 2, LONGEST_HASHED + 2)
MOMENT = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999))


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    largest = 10**precision - 1
    whole = st.one_of(st.integers(-largest, largest), st.sampled_from([0, 1, -1, largest, -largest]))
    zeros = st.builds(lambda digit, power: digit * 10**power, st.integers(-9, 9), st.integers(0, precision - 1))
    return st.one_of(whole, zeros).map(lambda number: Decimal(number).scaleb(-scale, CONTEXT))


CONTEXT = Context(prec=60)
VALUES = {
    "smallint": st.integers(-(2**15), 2**15 - 1),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "bigint": BIGINT,
    "boolean": st.booleans(),
    "date": st.dates(date(1, 1, 1), date(9999, 12, 31)),
    "timestamp without time zone": MOMENT,
    "timestamp with time zone": MOMENT.map(lambda moment: moment.replace(tzinfo=UTC)),
    "real": st.floats(width=32),
    "double precision": st.floats(),
    "numeric(1,0)": decimals(1, 0),
    "numeric(12,2)": decimals(12, 2),
    "numeric(18,17)": decimals(18, 17),
    "numeric(23,4)": decimals(23, 4),
    "numeric(38,0)": decimals(38, 0),
    "numeric(38,18)": decimals(38, 18),
    "numeric(38,38)": decimals(38, 38),
    "text": st.one_of(TEXT, LONG.map(lambda size: "x" * size)),
    "bytea": st.one_of(st.binary(max_size=40), LONG.map(bytes)),
}
SEEDED = needs_postgres(11, "a hash with a seed")
HASHINGS = [
    pytest.param(Hashing(), id="64 bits", marks=SEEDED),
    pytest.param(Hashing(seeded=False), id="32 bits"),
    pytest.param(Hashing(utf8=False), id="another encoding", marks=SEEDED),
]


@pytest.fixture(scope="module")
def connection(postgres_server: Server) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_server.dsn) as connection:
        connection.execute("SET TimeZone = 'UTC'; SET extra_float_digits = 3")
        yield connection


@pytest.mark.parametrize("stored_as", VALUES)
@pytest.mark.parametrize("hashing", HASHINGS)
def test_our_hash_is_that_of_the_server(connection, stored_as, hashing):
    form, template = FORMS.get(stored_as.partition("(")[0], ("text", "{}"))
    column = DigestColumn("a", "a", form, template.format("v"), "v", span=stored_as.startswith("timestamp"))
    query = (
        f"SELECT {hash_sql(column, f'({column.expression})', 's', hashing)} "
        f"FROM unnest(%s::{stored_as.partition('(')[0]}[], %s::bigint[]) WITH ORDINALITY AS u(v, s, n) ORDER BY n"
    )
    pairs = st.lists(st.tuples(st.none() | VALUES[stored_as], st.sampled_from([0, 1, -1]) | BIGINT), min_size=1)

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(pairs)
    def check(rows):
        values, seeds = [value for value, _ in rows], numpy.array([seed for _, seed in rows], numpy.int64)
        expected = [row[0] for row in connection.execute(query, (values, seeds.tolist())).fetchall()]
        array = pyarrow.array(values, to_arrow(stored_as))
        hashed = hash_column(array, form, seeds.view(numpy.uint64), hashing)
        sliced = hash_column(
            pyarrow.concat_arrays([array, array]).slice(len(values)), form, seeds.view(numpy.uint64), hashing
        )
        assert numpy.array_equal(hashed.hashes, sliced.hashes)
        found = hashed.hashes.view(numpy.int64).tolist()
        assert [None if value is None else hash_ for value, hash_ in zip(values, found, strict=True)] == expected

    check()

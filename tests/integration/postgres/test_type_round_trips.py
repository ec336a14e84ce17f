"""Every type of PostgreSQL with generated values: bronze holds what the source has, compared by PostgreSQL itself."""

from __future__ import annotations

import os

import pytest

from tests.support.debian_postgres import BINARIES, debian_server
from tests.support.ingest_run import fetch, run_sql
from tests.support.other_postgres import needs_postgres
from tests.support.round_trip import (
    Column,
    array_texts,
    case_values,
    check_round_trip,
    composite,
    quoted,
    supported_cases,
)

ARRAYS_OF_DOMAINS = needs_postgres(11, "an array of a domain")
# `make types` draws many more, other ones each time.
COUNT = int(os.environ.get("MIDNIGHT_TYPE_VALUES", "25"))
SEED = None if "MIDNIGHT_TYPE_VALUES" in os.environ else 1


@pytest.fixture
def matrix(database):
    cases = supported_cases(database)
    return cases, case_values(cases, COUNT, SEED)


def test_every_type(database, bronze, matrix):
    columns = [
        Column(case.pg_type, values, case.bronze_type, compare=case.compare)
        for case, values in zip(*matrix, strict=True)
    ]
    check_round_trip(database, bronze, "plain", columns)


def test_a_domain_over_every_type(database, bronze, matrix):
    columns = []
    for number, (case, values) in enumerate(zip(*matrix, strict=True)):
        run_sql(database, f"CREATE DOMAIN public.d{number} AS {case.pg_type}")
        columns.append(Column(f"public.d{number}", values, case.bronze_type, compare=case.compare))
    check_round_trip(database, bronze, "domains", columns)


@ARRAYS_OF_DOMAINS
def test_arrays_of_every_type(database, bronze, matrix):
    columns = [
        Column(
            f"{case.pg_type}[]",
            array_texts(case, values, SEED),
            json=True,
            compare="text" if case.compare == "text" else "image",
        )
        for case, values in zip(*matrix, strict=True)
        if case.in_json
    ]
    check_round_trip(database, bronze, "arrays", columns)


@ARRAYS_OF_DOMAINS
def test_composites_of_every_type(database, bronze, matrix):
    """A row type with a field of every type, arrays of them, and a row of both."""
    pairs = [(c, values) for c, values in zip(*matrix, strict=True) if c.in_json and c.compare != "text"]
    fields = ", ".join(f"f{number} {case.pg_type}" for number, (case, _) in enumerate(pairs))
    run_sql(
        database,
        f"CREATE TYPE public.fields AS ({fields})",
        "CREATE TYPE public.nested AS (one public.fields, many public.fields[], note text)",
    )
    rows = [composite([values[n % len(values)] for _, values in pairs]) for n in range(COUNT + 1)]
    rows += [composite([None] * len(pairs))]
    arrays = ["{" + quoted([*rows[n : n + 2], None]) + "}" for n in range(0, len(rows), 2)]
    nested = [composite([row, many, "x"]) for row, many in zip(rows, arrays, strict=False)]
    columns = [
        Column("public.fields", [None, *rows], json=True),
        Column("public.fields[]", [None, "{}", *arrays], json=True),
        Column("public.nested", [None, *nested, composite([None, None, None])], json=True),
        Column("public.nested[]", [None, "{" + quoted([*nested, None]) + "}"], json=True),
    ]
    check_round_trip(database, bronze, "composites", columns)


@pytest.mark.skipif(not BINARIES.exists(), reason="Debian's PostgreSQL 15 is not installed")
def test_every_type_of_an_older_server(bronze):
    """Debian's has xml and uuid-ossp, which the embedded one lacks; infinite intervals came later."""
    with debian_server() as server:
        run_sql(server, 'CREATE EXTENSION "uuid-ossp"; CREATE EXTENSION btree_gist; CREATE EXTENSION pgcrypto')
        cases = supported_cases(server)
        assert "xml" in {case.pg_type for case in cases}
        values = case_values(cases, 15, SEED)
        columns = [Column(c.pg_type, v, c.bronze_type, compare=c.compare) for c, v in zip(cases, values, strict=True)]
        check_round_trip(server, bronze, "plain", columns)
        uuids = fetch(
            server, "SELECT public.uuid_generate_v5(public.uuid_ns_url(), n::text) FROM generate_series(1, 9) n"
        )
        check_round_trip(server, bronze, "uuids", [Column("uuid", [str(one) for one in uuids[0]])])

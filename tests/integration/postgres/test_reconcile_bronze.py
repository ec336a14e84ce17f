"""Bronze against the source: each seeded fault is found with its key, and nothing else is."""

from __future__ import annotations

import dataclasses
import random
import secrets
from collections.abc import Iterator

import psycopg
import pytest

from cli.postgres.embedded import Server
from tests.support.ingest_run import BronzeFolder, address_of, configure, run_sql
from tests.support.other_postgres import drop_database
from tests.support.tampered_bronze import FAULTS, compare, damage, is_found, write_rows

ROWS = 1_000
MATRIX = f"""
CREATE TABLE {{name}} AS
SELECT i::bigint AS id, (i * 7919 % 1000)::int AS customer,
       CASE WHEN i % 10 > 0 THEN (i % 500)::smallint END AS quantity,
       CASE WHEN i % 9 > 0 THEN (i % 77)::smallint END AS returned,
       ((i * 37 % 100000 - 50000) / 100.0)::numeric(12,2) AS amount, (i * 1e15)::numeric(38,18) AS exact,
       (i % 97 - 48)::money AS price, 'note ' || i || ' é€😀' AS note,
       repeat('long ' || i, CASE WHEN i % 99 = 0 THEN 700 ELSE 3 END) AS story,
       (ARRAY['DE', 'FR', 'USA', NULL])[1 + i % 4]::varchar(3) AS country, left(md5(i::text), 5)::char(9) AS padded,
       '2013-01-01'::timestamptz + make_interval(secs => i * 11.137891) AS created,
       '0001-01-01'::timestamp + make_interval(secs => i * 1000000.000037) AS seen,
       '2013-01-01'::date + (i % 3650)::int AS day, sqrt(i) * 1.1 AS ratio, (i / 7.0)::real AS part,
       CASE WHEN i % 5 > 0 THEN i % 3 = 0 END AS paid, decode(md5(i::text), 'hex') AS raw, md5(i::text)::uuid AS guid,
       jsonb_build_object('i', i, 'e', 'é') AS document, ARRAY[i, NULL, i + 1] AS numbers,
       make_interval(secs => i * 1.5) AS span, int8range(i, i + 9) AS range,
       ('10.0.' || i % 200 || '.1/24')::inet AS net
FROM generate_series(1, {ROWS}) i
"""


@pytest.fixture(scope="module")
def module_database(postgres_server: Server) -> Iterator[Server]:
    name = f"reconcile_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield dataclasses.replace(postgres_server, database=name)
        drop_database(connection, name)


@pytest.fixture(scope="module")
def tables(module_database, tmp_path_factory):
    """The same rows with an integer key, a composite key with a text, and no key; and what bronze has of each."""
    found = {}
    for name, key in (("keyed", "(id)"), ("composite", "(guid, id)"), ("not_unique", "")):
        run_sql(module_database, MATRIX.format(name=name))
        if key:
            run_sql(module_database, f"ALTER TABLE {name} ADD PRIMARY KEY {key}")
        table = configure(module_database, name, reconcile="digests", key=["id"])
        bronze = BronzeFolder(tmp_path_factory.mktemp(name))
        bronze.ingest(module_database, table)
        found[name] = (table, bronze.read(table))
    return found


@pytest.mark.parametrize("name", ["keyed", "composite", "not_unique"])
def test_every_fault_is_found_with_its_key(module_database, tables, tmp_path, name):
    table, rows = tables[name]
    folder = tmp_path / "batch"
    write_rows(rows, folder)
    assert compare(address_of(module_database), folder, table, ROWS).status == "equal"
    for seed in range(34):
        fault = FAULTS[seed % len(FAULTS)]
        damaged, expected = damage(rows, fault, random.Random(seed), ["id", "guid"])  # noqa: S311 - repeatable
        write_rows(damaged, folder)
        record = compare(address_of(module_database), folder, table, ROWS)
        where = f"seed {seed}: {expected} gave {[str(difference) for difference in record.differences]}"
        assert is_found(record, expected), where

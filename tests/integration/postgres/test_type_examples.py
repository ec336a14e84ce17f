"""docs/types.md: each example is in bronze as the page says, and no type of the server is missing."""

from __future__ import annotations

import psycopg

from cli.postgres.embedded import Server
from midnight.configuration.tables import Table
from tests.support.debian_postgres import BINARIES, debian_server
from tests.support.ingest_run import BronzeFolder, configure, fetch, run_sql
from tests.support.other_postgres import of_the_embedded_server
from tests.support.round_trip import stored_text
from tools.type_examples import EXAMPLES, NOT_OF_COLUMNS, SETUP, TypeExample

ALL = [example for examples in EXAMPLES.values() for example in examples]
TYPES = """
SELECT format_type(oid, NULL) FROM pg_type
WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'r', 'm') AND typname NOT LIKE '\\_%'
"""


def load(server: Server, examples: list[TypeExample]) -> Table:
    """A table with one row of the examples."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        for name in sorted({one.requires for one in examples if one.requires not in ("", "libxml")}):
            connection.execute(f"CREATE EXTENSION {name} SCHEMA public")
        for statement in SETUP:
            connection.execute(statement)
        columns = ", ".join(f"c{number} {one.pg_type}" for number, one in enumerate(examples))
        connection.execute(f"SET search_path = pg_catalog, public; CREATE TABLE public.examples ({columns})")
        with connection.cursor() as cursor, cursor.copy("COPY public.examples FROM STDIN") as copy:
            copy.write_row([one.value for one in examples])
    kinds = {f"c{number}": one.bronze_type for number, one in enumerate(examples) if one.bronze_type}
    return configure(server, "examples", bronze_type=kinds)


def check(server: Server, bronze: BronzeFolder, examples: list[TypeExample]) -> None:
    table = load(server, examples)
    bronze.ingest(server, table)
    (row,) = bronze.rows(table)
    wrong = [
        (one.pg_type, stored_text(value), one.held or one.value)
        for one, value in zip(examples, row, strict=True)
        if stored_text(value) != (one.held or one.value)
    ]
    assert wrong == []


@of_the_embedded_server()
def test_each_example_is_in_bronze_as_the_page_says(database, bronze):
    check(database, bronze, [one for one in ALL if one.requires != "libxml"])


def test_types_that_only_another_server_has(bronze):
    if not BINARIES.exists():
        return
    with debian_server() as server:
        check(server, bronze, [one for one in ALL if one.requires == "libxml"])


@of_the_embedded_server()
def test_every_type_of_the_server_has_an_example(database):
    known = {one.pg_type.partition("(")[0] for one in ALL} | set(NOT_OF_COLUMNS)
    assert {kind for (kind,) in fetch(database, TYPES)} - known == set()


@of_the_embedded_server()
def test_every_type_of_the_extensions_has_an_example(database):
    """Of an extension whose types are for columns of tables; the others have types of index entries."""
    run_sql(database, *(f"CREATE EXTENSION {name}" for name in sorted({one.requires for one in ALL} - {"", "libxml"})))
    found = fetch(
        database,
        "SELECT t.typname FROM pg_type t JOIN pg_depend d ON d.classid = 'pg_type'::regclass AND d.objid = t.oid "
        "AND d.deptype = 'e' WHERE t.typelem = 0 AND t.typname !~ '^g|_gist$|gkey$'",
    )
    known = {one.pg_type.partition("(")[0] for one in ALL if one.requires}
    same_as_isbn = {"ismn", "issn", "isbn13", "ismn13", "issn13", "upc"}
    assert {name for (name,) in found} - known == same_as_isbn

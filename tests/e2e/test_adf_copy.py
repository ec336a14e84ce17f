"""The queries that Data Factory gets, run on a real PostgreSQL."""

from __future__ import annotations

import psycopg
import pytest

from midnight.adf_copy import copy_query
from midnight.column_types import stored_type
from midnight.tables import Column, Table

# type, a literal, what PostgreSQL shall hand to Data Factory: its type, and its text
TYPES = [
    ("bigint", "9007199254740993", "int8", "9007199254740993"),
    ("numeric(38,10)", "1234567890123456789012345678.0123456789", "text", "1234567890123456789012345678.0123456789"),
    ("numeric(12,2)", "1.50", "text", "1.50"),
    ("real", "1.5", "float4", "1.5"),
    ("boolean", "true", "bool", "True"),
    ("date", "'2024-02-29'", "date", "2024-02-29"),
    ("timestamp with time zone", "'2024-02-29 12:00:00.123456+02'", "timestamp", "2024-02-29 10:00:00.123456"),
    ("timestamp without time zone", "'2024-02-29 12:00:00'", "timestamp", "2024-02-29 12:00:00"),
    ("uuid", "'00000000-0000-0000-0000-0000000000ff'", "text", "00000000-0000-0000-0000-0000000000ff"),
    ("jsonb", """'{"a": 1}'""", "text", '{"a": 1}'),
    ("integer[]", "'{1,NULL}'", "text", "[1,null]"),
    ("text", "'o''rders \"x\"'", "text", 'o\'rders "x"'),
    ("bytea", "'\\x00ff'", "bytea", "b'\\x00\\xff'"),
]


@pytest.mark.parametrize(("kind", "literal", "sent_as", "text"), TYPES, ids=[kind for kind, *_ in TYPES])
def test_each_type_travels_in_a_form_that_data_factory_keeps(database, kind, literal, sent_as, text):
    name = 'odd "name"'
    table = Table(
        schema='Odd "schema"',
        table="it's",
        silver="t",
        columns=(Column(name="odd_name", source=name, type=kind),),
    )
    assert stored_type(kind)
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute("SET TIME ZONE 'Asia/Tokyo'")  # as a role may have it
        connection.execute('CREATE SCHEMA "Odd ""schema"""')
        connection.execute(f'CREATE TABLE "Odd ""schema"""."it\'s" ("odd ""name""" {kind})')
        connection.execute(f'INSERT INTO "Odd ""schema"""."it\'s" VALUES ({literal})')

        cursor = connection.execute(copy_query(table).encode())

        (value,) = cursor.fetchone()
        assert [column.name for column in cursor.description] == ["odd_name"]
        sent = connection.adapters.types[cursor.description[0].type_code].name
    assert (sent, str(value)) == (sent_as, text)

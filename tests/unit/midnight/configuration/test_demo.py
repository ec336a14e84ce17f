"""The demo's configuration matches the demo's source, column by column."""

import re

import pytest

from midnight.column_types import normalise_type
from midnight.configuration.files import load_configuration
from midnight.settings import REPOSITORY

SCHEMA = (REPOSITORY / "cli" / "demo" / "demo_schema.sql").read_text(encoding="utf-8")
TABLES = {table.table: table for table in load_configuration(REPOSITORY / "include").tables}


def source_columns(table: str) -> list[tuple[str, str]]:
    body = re.search(rf"CREATE TABLE {table} \((.*?)\n\);", SCHEMA, re.DOTALL)[1]
    found = re.findall(r"^\s+(\w+)\s+(double precision|numeric\([\d, ]+\)|\w+)", body, re.MULTILINE)
    return [(name, normalise_type(kind)) for name, kind in found]


def test_every_table_of_the_source_is_configured():
    assert sorted(TABLES) == sorted(re.findall(r"CREATE TABLE (\w+)", SCHEMA))


@pytest.mark.parametrize("name", TABLES)
def test_columns_and_types_match_the_source(name):
    assert [(column.source_name, column.type) for column in TABLES[name].columns] == source_columns(name)


def test_every_column_that_reaches_silver_is_described():
    missing = [f"{t.silver}.{c.name}" for t in TABLES.values() for c in t.silver_columns if not c.description]
    assert missing == []

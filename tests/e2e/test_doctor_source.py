"""The doctor looks at a real source whose faults are real."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from local.checks import source
from local.checks.finding import Finding
from midnight.configuration_writer.source_survey import survey_source
from midnight.configuration_writer.table_plan import plan_tables
from midnight.errors import SourceError
from midnight.pipeline_config import Configuration, LoadGroup, Pipeline, Source
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.postgres_to_bronze.source_connection import connect


def address(server, **change) -> SourceAddress:
    server = dataclasses.replace(server, **change)
    return SourceAddress(server.host, server.database, server.user, server.port, server.password, connection_id="src")


@pytest.fixture
def configured(reader):
    """The configuration that ``make init`` would write."""
    import asyncio  # noqa: PLC0415

    async def survey():
        connection = await connect(address(reader))
        try:
            return await survey_source(connection)
        finally:
            await connection.close()

    tables = tuple(plan.table for plan in plan_tables(asyncio.run(survey()).tables, {}))
    # every_type needs what only a look at its values tells
    tables = tuple(table for table in tables if table.table != "every_type")
    return Configuration(Pipeline(source=Source(name="s"), groups=(LoadGroup(name="main"),)), tables)


def run(server, configured, lake: Path | None = None, **change) -> dict[str, list[Finding]]:
    result: dict[str, list[Finding]] = {}
    for finding in source.check_source(address(server, **change), configured, lake):
        result.setdefault(finding.name, []).append(finding)
    return result


def test_a_healthy_source(reader, configured, tmp_path):
    found = run(reader, configured, tmp_path)
    assert {name: [finding.state for finding in findings] for name, findings in found.items()} == {
        "source": ["ok"],
        "source tables": ["ok"],
        "snapshot": ["ok"],
        "clock": ["ok"],
        "size": ["ok"],
    }


def test_every_fault_of_the_tables_is_told(reader, database, configured):
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute("DROP TABLE no_key; ALTER TABLE customers RENAME phone TO telephone")
        connection.execute("ALTER TABLE customers ALTER updated_at DROP DEFAULT")
        connection.execute("ALTER TABLE customers ALTER updated_at TYPE double precision USING 1")
        connection.execute(f"REVOKE SELECT ON countries FROM {reader.user}")
    faults = run(reader, configured)["source tables"]
    text = "\n".join(finding.found for finding in faults)
    assert {finding.state for finding in faults} == {"fail"}
    for words in (
        "no table public.no_key",
        "has no column 'phone'",
        "is double precision in the source",
        "GRANT SELECT",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"port": 1}, "cannot be reached"),
        ({"password": "s3cr3t"}, "correct the password of user"),
        ({"database": "gone"}, "correct the database in the connection 'src'"),
    ],
)
def test_a_source_that_does_not_let_us_in(reader, configured, change, words):
    found = run(reader, configured, **change)
    assert [(f.state, words in f.found, "s3cr3t" in f.found) for f in found["source"]] == [("fail", True, False)]


def test_a_clock_that_is_wrong_and_a_disk_that_is_small(reader, configured, tmp_path, monkeypatch):
    monkeypatch.setattr(source.time, "time", lambda: 0.0)
    monkeypatch.setattr(source.shutil, "disk_usage", lambda path: SimpleNamespace(free=10_000))
    found = run(reader, configured, tmp_path)
    assert [found[name][0].state for name in ("clock", "size")] == ["warn", "warn"]


def test_a_connection_without_a_database():
    with pytest.raises(SourceError, match="has no schema, login"):
        source.address_of({"host": "h"}, "src")
    found = source.address_of(
        {"host": "h", "schema": "d", "login": "u", "extra": {"sslmode": "require", "x": 1}}, "src"
    )
    assert (found.place, found.options) == ("h:5432/d", {"sslmode": "require"})

"""`make doctor` checks a real source with real faults."""

from __future__ import annotations

import dataclasses
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import psycopg
import pytest

from cli.checks import source
from cli.checks.finding import Finding
from midnight.configuration.files import Configuration
from midnight.configuration.pipeline import Pipeline
from midnight.configuration.source import LoadGroup, Source
from midnight.errors import SourceError
from midnight.postgres_to_bronze import source_settings
from midnight.postgres_to_bronze.server_facts import read_server
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.postgres_to_bronze.source_connection import connect
from midnight.scaffold.source_survey import survey_source
from midnight.scaffold.table_plan import plan_tables


def address(server, **change) -> SourceAddress:
    server = dataclasses.replace(server, **change)
    return SourceAddress(server.host, server.database, server.user, server.port, server.password, connection_id="src")


@pytest.fixture
def configured(reader):
    """The configuration that ``make init`` would write."""
    import asyncio

    async def survey():
        connection = await connect(address(reader))
        try:
            return await survey_source(connection)
        finally:
            await connection.close()

    tables = tuple(plan.table for plan in plan_tables(asyncio.run(survey()).tables, {}))
    # every_type needs settings that only its values show
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
        "source settings": ["ok"],
        "source log": ["ok"],
        "snapshot": ["ok"],
        "clock": ["ok"],
        "size": ["ok"],
    }


def test_every_fault_of_the_tables_is_reported(reader, database, configured):
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute("DROP TABLE no_key; ALTER TABLE customers RENAME phone TO telephone")
        connection.execute("ALTER TABLE customers ALTER updated_at DROP DEFAULT")
        connection.execute("ALTER TABLE customers ALTER updated_at TYPE double precision USING 1")
        connection.execute(f"REVOKE SELECT ON countries FROM {reader.user}")
    faults = run(reader, configured)["source tables"]
    text = "\n".join(f"{finding.found}; hint: {finding.hint}" for finding in faults)
    assert {finding.state for finding in faults} == {"fail"}
    for words in (
        "no table or view public.no_key",
        "has no column 'phone'",
        "is double precision in the source",
        "GRANT SELECT",
    ):
        assert words in text


def test_a_key_that_the_source_no_longer_guarantees_is_reported(reader, database, configured):
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(
            "ALTER TABLE customers DROP CONSTRAINT customers_pkey CASCADE;"
            "ALTER TABLE customers ADD PRIMARY KEY (name); ALTER TABLE countries DROP CONSTRAINT countries_pkey;"
            "CREATE UNIQUE INDEX ON countries (code) WHERE code <> 'XX';"
            'ALTER TABLE "user" DROP CONSTRAINT user_pkey; ALTER TABLE "user" ADD UNIQUE ("order") DEFERRABLE'
        )
    found = run(reader, configured)["source keys"]
    assert [(finding.state, finding.found.partition(": ")[0]) for finding in found] == [
        ("warn", "the source does not guarantee the key ['code'] of public.countries"),
        ("warn", "the source does not guarantee the key ['id'] of public.customers"),
    ]
    assert "use key: [name] in tables/public.customers.yml" in found[1].hint


def test_settings_that_a_session_cannot_make_and_that_data_factory_keeps(reader, database, configured, monkeypatch):
    role, name = f'"{reader.user}"', f'"{reader.database}"'
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(f"ALTER ROLE {role} SET statement_timeout = '400ms'")
        connection.execute(f"ALTER DATABASE {name} SET idle_in_transaction_session_timeout = '1h'")
    assert [f.state for f in run(reader, configured)["source settings"]] == ["ok"]
    kept = source.check_source(address(reader), configured, None, data_factory=True)
    assert [(f.state, f.found[:31], f.hint) for f in kept if f.name == "source settings"] == [
        ("warn", found, f"run ALTER ROLE {role} IN DATABASE {name} SET {setting} = '0'")
        for setting, found in (
            ("idle_in_transaction_session_timeout", "idle_in_transaction_session_tim"),
            ("statement_timeout", "statement_timeout = 400 ms of t"),
        )
    ]
    monkeypatch.setitem(source_settings._SINCE_VERSION, "DateStyle", 99)  # as if a pool used another session
    monkeypatch.setattr(source, "session_settings", lambda version: dict(source_settings.SESSION_SETTINGS))
    (finding,) = run(reader, configured)["source settings"]
    assert (finding.state, finding.hint) == ("warn", f"run ALTER ROLE {role} IN DATABASE {name} SET DateStyle = 'ISO'")


def test_a_server_that_is_too_old_for_data_factory_is_reported(reader, configured, monkeypatch):
    async def older(connection):
        return dataclasses.replace(await read_server(connection), version="11.22", version_number=110_022)

    monkeypatch.setattr(source, "read_server", older)
    states = {}
    for data_factory in (False, True):
        finding = source.check_source(address(reader), configured, None, data_factory=data_factory)[0]
        states[data_factory] = finding.state
    assert states == {False: "ok", True: "fail"}
    assert "Data Factory's connector reads 12 and newer" in finding.found
    assert finding.hint == "set MIDNIGHT_INGEST=operator"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"port": 1}, "cannot be reached"),
        ({"password": "s3cr3t"}, "correct the password of user"),
        ({"database": "gone"}, "correct the database in the connection 'src'"),
    ],
)
def test_a_source_that_refuses_the_login(reader, configured, change, words):
    found = run(reader, configured, **change)
    (finding,) = found["source"]
    shown = f"{finding.found}; hint: {finding.hint}"
    assert (finding.state, words in shown, "s3cr3t" in shown) == ("fail", True, False)


def test_a_clock_that_is_wrong_and_a_disk_that_is_small(reader, configured, tmp_path, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10_000))
    found = run(reader, configured, tmp_path)
    assert [found[name][0].state for name in ("clock", "size")] == ["warn", "warn"]


def test_a_connection_without_a_database():
    with pytest.raises(SourceError, match="has no schema, login"):
        source.address_of({"host": "h"}, "src")
    found = source.address_of(
        {"host": "h", "schema": "d", "login": "u", "extra": {"sslmode": "require", "x": 1}}, "src"
    )
    assert (found.place, found.options) == ("h:5432/d", {"sslmode": "require"})


def test_a_forgotten_slot_and_an_old_transaction_are_found_with_the_least_role(database, reader, configured):
    reader_dsn = reader.dsn.replace(reader.password, quote(reader.password, safe=""))
    limits = configured.pipeline.alerts.model_copy(update={"source_log_gb": 1e-9, "source_transaction_hours": 1e-9})
    strict = dataclasses.replace(configured, pipeline=configured.pipeline.model_copy(update={"alerts": limits}))
    with psycopg.connect(database.dsn, autocommit=True) as admin, psycopg.connect(reader_dsn) as own:
        admin.execute("SELECT pg_create_physical_replication_slot('old_replica', true)")
        own.execute("SELECT 1")  # an open transaction of the reading role
        try:
            admin.execute("SELECT pg_switch_wal()")
            admin.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
            found = [finding.found for finding in run(reader, strict)["source log"]]
        finally:
            admin.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
    assert any("keeps" in text and "not active" in text for text in found), found
    assert any(f"of role {reader.user} has been open" in text for text in found), found
    (healthy,) = run(reader, configured)["source log"]
    assert (healthy.state, healthy.found) == ("ok", "its size needs pg_monitor; 0 replication slots")

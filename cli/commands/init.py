"""`midnight init`: reads the catalogue of a database and writes the configuration for it."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from cli.console.init_summary import print_changes, print_summary
from cli.console.progress import make_console
from cli.instance.connections import read_connections, write_connection
from cli.instance.folder import Instance
from midnight.errors import MidnightError, SourceError
from midnight.postgres_to_bronze.catalogue import CatalogueTable, read_catalogue
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.postgres_to_bronze.source_connection import connect
from midnight.postgres_to_bronze.source_errors import source_error
from midnight.scaffold.pipeline_file import render_pipeline
from midnight.scaffold.source_survey import LeftOut, SourceSurvey, survey_source
from midnight.scaffold.source_url import SourceUrl, parse_source_url
from midnight.scaffold.value_sample import TableSample, sample_table
from midnight.scaffold.write_configuration import (
    NewConfiguration,
    belongs_to,
    configured_tables,
    write_configuration,
)
from midnight.settings import Settings, load_settings

CONNECTION_ID = "midnight_source"
DESCRIPTION = "Source database, written by `make init`"
OLDEST_VERSION = 100000
_LISTED = 40


class InitError(MidnightError):
    """The database cannot be configured; nothing was written."""


class PasswordNeededError(SourceError):
    """The server asks for a password, and SOURCE does not contain one."""


@dataclass(frozen=True)
class _Found:
    survey: SourceSurvey
    samples: dict[tuple[str, str], TableSample]
    relations: dict[tuple[str, str], CatalogueTable]


def main(*, source: str, password_allowed: bool = True) -> int:
    """Write the configuration for a database.

    Args:
        source: its URL.
        password_allowed: False for a URL from the command line, which every user of the machine can read.

    Returns:
        0 when the configuration was written. Errors are raised as ``MidnightError``; then nothing is changed.
    """
    url = parse_source_url(source)
    if url.password and not password_allowed:
        raise InitError(
            "a password on a command line is visible to every user of this machine",
            "leave it out, and the command asks for it, or set the variable SOURCE",
        )
    settings = load_settings()
    console = make_console()
    places = [(t.schema_name, t.table) for t in configured_tables(settings.config, url.source_name, CONNECTION_ID)]
    try:
        found = _survey_with(url, places, console)
    except PasswordNeededError:
        if not sys.stdin.isatty():
            raise
        # A typed password is neither in the shell's history nor in the list of processes.
        url = replace(url, password=getpass.getpass(f"Password of {url.user}: "))
        found = _survey_with(url, places, console)
    if not found.survey.tables:
        raise InitError(_nothing_to_load(url, found.survey.left_out))
    instance = Instance(settings.home)
    instance.create()
    previous = read_connections(instance.connections).get(CONNECTION_ID, {})
    fields = {**url.airflow_connection(), "description": DESCRIPTION}
    folder = settings.home / "replaced-configuration" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    replaces = (settings.config / "pipeline.yml").exists() and not belongs_to(
        settings.config, url.source_name, CONNECTION_ID
    )
    moved: list[str] = []

    def finish() -> None:
        write_connection(instance.connections, CONNECTION_ID, fields)
        if replaces:
            moved.extend(_move_lake(settings, folder))

    with instance.lock():
        written = write_configuration(
            NewConfiguration(
                source_name=url.source_name,
                connection_id=CONNECTION_ID,
                pipeline=render_pipeline(
                    source_name=url.source_name, connection_id=CONNECTION_ID, timezone="UTC", database=url.database
                ),
                tables=found.survey.tables,
                samples=found.samples,
                relations=found.relations,
            ),
            folder=settings.config,
            replaced=folder,
            finish=finish,
        )
    print_summary(console, written, found.survey, found.samples)
    print_changes(console, settings, written, found.relations, role=found.survey.server.user, moved=moved)
    if previous.get("host") and (previous["host"], previous.get("schema")) != (url.host, url.database):
        console.print(
            f"The connection {CONNECTION_ID!r} pointed to {previous['host']}/{previous.get('schema')} before."
        )
    return 0


def _survey_with(url: SourceUrl, configured: Sequence[tuple[str, str]], console: Console) -> _Found:
    with console.status(f"reading the catalogue of {url}"):
        return asyncio.run(_survey(url, configured))


async def _survey(url: SourceUrl, configured: Sequence[tuple[str, str]]) -> _Found:
    """Survey the database, sample every table, and read the catalogue of the configured tables.

    Raises:
        SourceError: names neither password nor URL.
    """
    address = SourceAddress(
        host=url.host,
        port=url.port,
        database=url.database,
        user=url.user,
        password=url.password or "",
        options=dict(url.parameters),
    )
    try:
        connection = await connect(address)
    except SourceError as error:
        raise _in_terms_of_source(error, url) from error
    import asyncpg

    try:
        if connection.get_server_version().major * 10000 < OLDEST_VERSION:
            version = connection.get_server_version()
            raise InitError(f"{url} is PostgreSQL {version.major}.{version.minor}; Midnight reads 10 and newer")
        survey = await survey_source(connection)
        samples = {(table.schema, table.name): await sample_table(connection, table) for table in survey.tables}
        relations = await read_catalogue(connection, tables=configured) if configured else {}
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise source_error(error, address) from error
    finally:
        await connection.close()
    return _Found(survey, samples, relations)


def _in_terms_of_source(error: SourceError, url: SourceUrl) -> SourceError:
    """The error of a refused login, with the hint for this command: the variable SOURCE."""
    state = getattr(error.__cause__, "sqlstate", None)
    user, place = url.user, f"{url.host}:{url.port}"
    if state == "28P01" and not url.password:
        return PasswordNeededError(
            f"PostgreSQL at {place} asks for the password of {user!r}; hint: make init "
            f"SOURCE=postgresql://{user}:PASSWORD@{url.host}:{url.port}/… (percent-encoded)"
        )
    reasons = {
        "28P01": f"refused user {user!r}: the role does not exist, or the password in SOURCE is wrong",
        "28000": f"does not let user {user!r} log in from here: the role, pg_hba.conf, or TLS (add ?sslmode=require)",
        "3D000": f"has no database {url.database!r}: correct the last part of SOURCE",
    }
    return SourceError(f"PostgreSQL at {place} {reasons[state]}") if state in reasons else error


def _nothing_to_load(url: SourceUrl, left_out: Sequence[LeftOut]) -> str:
    grants = [item for item in left_out if "GRANT" in item.reason or "ALTER ROLE" in item.reason]
    if grants:
        shown = "; ".join(f"{item.name}: {item.reason}" for item in grants[:3])
        return f"{url} has no table that {url.user!r} may read. {shown}"
    others = ", ".join(f"{count} {kind}" for kind, count in Counter(item.kind for item in left_out).items())
    return f"{url} has no table{f' (only {others})' if others else ''}: is {url.database!r} the right database?"


def _move_lake(settings: Settings, folder: Path) -> list[str]:
    """Move silver, gold and what is built from them away: tables of the old source may have the same names.

    They can be rebuilt from bronze, which stays: it has a folder per source.
    """
    if settings.profile != "local":
        return []
    places = [
        Path(settings.paths.silver),
        Path(settings.paths.gold),
        settings.serving_database,
        settings.report_page.parent,
    ]
    moved = []
    for place in places:
        if place.exists():
            (folder / "lake").mkdir(parents=True, exist_ok=True)
            place.rename(folder / "lake" / place.name)
            moved.append(place.name)
    return moved

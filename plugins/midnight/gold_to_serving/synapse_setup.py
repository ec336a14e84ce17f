"""The one-time setup of Synapse serverless SQL: database, credential, data source, schemas, logins, users, grants.

The statements are in the files of ``include/sql/synapse``, which sqlcmd can run as well. All of them are idempotent;
docs/azure.md documents who runs them, and when.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from midnight.access.matrix import Environment
from midnight.errors import ConfigurationError, ConfigurationProblem, ServingError
from midnight.gold_to_serving.base_views import DATA_SOURCE
from midnight.sql_text import text_literal
from midnight.synapse.connection import SynapseServer, connect
from midnight.synapse.error_hints import explain

FOLDER = Path("sql") / "synapse"
COLLATION = "Latin1_General_100_BIN2_UTF8"
_VARIABLE = re.compile(r"\$\((\w+)\)")
# Values are substituted inside quotes or brackets; these characters need no escaping there.
_SAFE_VALUE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Script:
    """The statements of one file, and the database that they run in."""

    file: str
    database: str
    statements: tuple[str, ...]


def setup_scripts(
    folder: Path, environment: Environment, *, database: str, storage_account: str, weekly_limit_tb: int
) -> tuple[Script, ...]:
    """Return all scripts of the setup, in order.

    Args:
        folder: the configuration folder, with sql/synapse.
        environment: ``dev`` or ``prod``.
        database: name of Midnight's database.
        storage_account: of the lake.
        weekly_limit_tb: terabytes per week after which Synapse rejects further queries of the workspace; views can
            still be published, since definitions process no data.

    Raises:
        ConfigurationError: a value has other characters than a name, or a file has an unknown variable.
    """
    values = {"database": database, "storage_account": storage_account, "weekly_limit_tb": str(weekly_limit_tb)}
    wrong = [
        ConfigurationProblem("setup of Synapse", None, name, f"{value!r} may contain only letters, digits, '_' and '-'")
        for name, value in values.items()
        if not _SAFE_VALUE.fullmatch(value)
    ]
    if wrong:
        raise ConfigurationError(wrong)
    order = (
        ("database.sql", "master"),
        (f"logins.{environment}.sql", "master"),
        ("setup.sql", database),
        (f"grants.{environment}.sql", database),
    )
    return tuple(
        Script(file, target, _statements((folder / FOLDER / file), FOLDER / file, values)) for file, target in order
    )


def _statements(path: Path, name: Path, values: Mapping[str, str]) -> tuple[str, ...]:
    """The statements of a file, without comments. Each statement ends with a semicolon at the end of a line."""
    text = "".join(line for line in path.read_text(encoding="utf-8").splitlines(True) if not line.startswith("--"))
    unknown = sorted(set(_VARIABLE.findall(text)) - set(values))
    if unknown:
        known = ", ".join(sorted(values))
        problem = ConfigurationProblem(str(name), None, f"$({unknown[0]})", f"is unknown; hint: use one of {known}")
        raise ConfigurationError([problem])
    text = _VARIABLE.sub(lambda found: values[found[1]], text)
    return tuple(part.strip() for part in re.split(r";[ \t]*(?:\n|$)", text) if part.strip())


def run_setup(server: SynapseServer, scripts: tuple[Script, ...], on_progress: Callable[[str], object]) -> None:
    """Run all scripts.

    Args:
        server: with any database; signs in as a member of the administrators' group.
        scripts: of ``setup_scripts``.
        on_progress: called with a message after each script.

    Raises:
        ServingError: the connection failed, or a statement was refused. Fix the cause and run all scripts again.
    """
    import mssql_python

    for script in scripts:
        target = server.in_database(script.database)
        # CREATE DATABASE and CREATE LOGIN do not work inside a transaction.
        with closing(connect(target, autocommit=True)) as connection:
            for statement in script.statements:
                try:
                    with connection.cursor() as cursor:
                        cursor.execute(statement)
                except mssql_python.Error as error:
                    reason, hint = explain(error, target)
                    if "permission" in reason:
                        hint = "sign in (az login) as a member of the group that administers Synapse SQL"
                    raise ServingError(
                        f"{script.file} in database {script.database!r}: Synapse refused "
                        f"{' '.join(statement.split())[:200]!r}: {reason}; hint: {hint}; then run the setup again"
                    ) from error
        on_progress(f"{script.file} in {script.database}: {len(script.statements)} statements")


def check_setup(server: SynapseServer, location: str) -> None:
    """Check what the setup does not change where it already exists: the database's collation, the lake's address.

    Args:
        server: of Midnight's database.
        location: that the data source must have.

    Raises:
        ServingError: one of them is different.
    """
    expectations = (
        (
            f"SELECT collation_name FROM sys.databases WHERE name = {text_literal(server.database)}",
            COLLATION,
            f"the collation of the database {server.database!r}",
            f"create the database again, since texts would be misread: DROP DATABASE [{server.database}]",
        ),
        (
            f"SELECT location FROM sys.external_data_sources WHERE name = {text_literal(DATA_SOURCE)}",
            location,
            f"the address of the external data source {DATA_SOURCE!r}",
            f"create it again, since the views would read another lake: DROP EXTERNAL DATA SOURCE [{DATA_SOURCE}]",
        ),
    )
    with closing(connect(server)) as connection:
        for query, expected, what, hint in expectations:
            with connection.cursor() as cursor:
                row = cursor.execute(query).fetchone()
            actual = str(row[0]).rstrip("/") if row else None
            if actual != expected:
                raise ServingError(f"{what} is {actual!r}, not {expected!r}; hint: {hint}, then run the setup again")

"""The one-time set-up of Synapse serverless SQL: database, credential, data source, schemas, logins, users, rights.

The statements are the files of ``include/sql/synapse``, which sqlcmd runs as well (docs/azure.md). All of them can run
again and again; docs/azure.md says who runs them when.
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
# A value is put between quotes or brackets, and none of these needs anything else.
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Script:
    """One file, and the database that it runs in."""

    file: str
    database: str
    statements: tuple[str, ...]


def setup_scripts(
    folder: Path, environment: Environment, *, database: str, storage_account: str, weekly_limit_tb: int
) -> tuple[Script, ...]:
    """Everything, in order.

    Args:
        folder: the configuration folder, with sql/synapse.
        environment: ``dev`` or ``prod``.
        database: name of Midnight's database.
        storage_account: of the lake.
        weekly_limit_tb: after so many terabytes per week Synapse refuses further queries of the workspace; views can
            still be published, since definitions process no data.

    Raises:
        ConfigurationError: a value that cannot be a name, or a variable of a file that has no value.
    """
    values = {"database": database, "storage_account": storage_account, "weekly_limit_tb": str(weekly_limit_tb)}
    wrong = [
        ConfigurationProblem("set-up of Synapse", None, name, f"{value!r} may hold letters, digits, '_' and '-' only")
        for name, value in values.items()
        if not _PLAIN.fullmatch(value)
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
        Script(file, where, _statements((folder / FOLDER / file), FOLDER / file, values)) for file, where in order
    )


def _statements(path: Path, name: Path, values: Mapping[str, str]) -> tuple[str, ...]:
    """The statements of a file: each ends with a semicolon at the end of a line. Comments are left out."""
    text = "".join(line for line in path.read_text(encoding="utf-8").splitlines(True) if not line.startswith("--"))
    unknown = sorted(set(_VARIABLE.findall(text)) - set(values))
    if unknown:
        known = ", ".join(sorted(values))
        problem = ConfigurationProblem(str(name), None, f"$({unknown[0]})", f"is not known; there are {known}")
        raise ConfigurationError([problem])
    text = _VARIABLE.sub(lambda found: values[found[1]], text)
    return tuple(part.strip() for part in re.split(r";[ \t]*(?:\n|$)", text) if part.strip())


def run_setup(server: SynapseServer, scripts: tuple[Script, ...], tell: Callable[[str], object]) -> None:
    """Run all scripts, then look whether what was there before fits.

    Args:
        server: of any database; signs in as somebody who may (a member of the admins' group).
        scripts: of ``setup_scripts``.
        tell: is told each script that has run.

    Raises:
        ServingError: no way in, or a statement was refused. Correct the cause and run all of it again.
    """
    import mssql_python

    for script in scripts:
        there = server.in_database(script.database)
        # CREATE DATABASE and CREATE LOGIN do not work inside a transaction.
        with closing(connect(there, autocommit=True)) as connection:
            for statement in script.statements:
                try:
                    with connection.cursor() as cursor:
                        cursor.execute(statement)
                except mssql_python.Error as error:
                    reason, cure = explain(error, there)
                    if "permission" in reason:
                        cure = "sign in (az login) as a member of the group that administers Synapse SQL"
                    raise ServingError(
                        f"{script.file} in database {script.database!r}: Synapse refused "
                        f"{' '.join(statement.split())[:200]!r}: {reason}. Cure: {cure}; then run the set-up again"
                    ) from error
        tell(f"{script.file} in {script.database}: {len(script.statements)} statements")


def check_setup(server: SynapseServer, location: str) -> None:
    """What an earlier set-up left and this one did not touch: the collation of the database, the lake's address.

    Args:
        server: of Midnight's database.
        location: that the data source should have.

    Raises:
        ServingError: one of them is another, with the cure.
    """
    questions = (
        (
            f"SELECT collation_name FROM sys.databases WHERE name = {text_literal(server.database)}",
            COLLATION,
            f"the collation of the database {server.database!r}",
            f"every text would be read wrongly; make the database anew: DROP DATABASE [{server.database}]",
        ),
        (
            f"SELECT location FROM sys.external_data_sources WHERE name = {text_literal(DATA_SOURCE)}",
            location,
            f"the address of the external data source {DATA_SOURCE!r}",
            f"the views would read another lake: DROP EXTERNAL DATA SOURCE [{DATA_SOURCE}]",
        ),
    )
    with closing(connect(server)) as connection:
        for question, expected, what, cure in questions:
            with connection.cursor() as cursor:
                row = cursor.execute(question).fetchone()
            found = str(row[0]).rstrip("/") if row else None
            if found != expected:
                raise ServingError(f"{what} is {found!r}, not {expected!r}; {cure}, then run the set-up again")

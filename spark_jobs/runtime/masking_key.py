"""Reads the masking key of a job: from its standard input, or from a Databricks secret scope. Never from arguments.

Arguments, environment variables and job parameters are visible in process lists, cluster pages and job APIs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from midnight.configuration.tables import Table
from midnight.errors import ConfigurationError, ConfigurationProblem, MidnightError, first_line
from midnight.masking import KEY_SECRET, KEY_VARIABLE, MaskingKey, parse_key, uses_masking

STDIN = "stdin"
SCOPE = "scope:"


def read_first_line(descriptor: int = 0) -> str:
    """The first line of a pipe; the rest stays unread, so that the lifeline can wait for its end."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(descriptor, 1)):
        line += byte
    return line.decode().strip()


def find_masking_key(tables: Sequence[Table], source: str, key_text: str) -> MaskingKey | None:
    """The key; None if no table needs it.

    Args:
        tables: of the run.
        source: ``stdin``, ``scope:<name of a Databricks secret scope>``, or empty.
        key_text: first line of the standard input.

    Raises:
        ConfigurationError: the key is missing or invalid.
        MidnightError: the secret scope cannot be read.
    """
    if not uses_masking(tables):
        return None
    scope = source.removeprefix(SCOPE) if source.startswith(SCOPE) else ""
    try:
        return parse_key(_secret_of_scope(scope) if scope else key_text)
    except ValueError as error:
        names = [table.qualified_name for table in tables if table.masked_columns]
        where = f"secret {KEY_SECRET!r} of scope {scope!r}" if scope else f"Airflow variable {KEY_VARIABLE}"
        raise ConfigurationError(
            [ConfigurationProblem(where, None, "", f"the masking key of {names!r} {error}")]
        ) from error


def _secret_of_scope(scope: str) -> str:
    # Part of every Databricks runtime, serverless included:
    # https://docs.databricks.com/aws/en/dev-tools/databricks-utils
    from databricks.sdk.runtime import dbutils

    try:
        return str(dbutils.secrets.get(scope, KEY_SECRET))
    except Exception as error:  # Py4J's on a cluster, the SDK's elsewhere
        raise MidnightError(
            f"cannot read the masking key from secret {KEY_SECRET!r} of scope {scope!r}: {first_line(error, 300)}; "
            "hint: grant the job's identity READ on the scope, and back the scope by the Key Vault (docs/azure.md)"
        ) from error

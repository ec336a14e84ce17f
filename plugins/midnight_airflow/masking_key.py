"""The masking key: an Airflow variable from the secrets backend, read only by tasks whose tables need it."""

from __future__ import annotations

from collections.abc import Sequence

from midnight.configuration.files import Configuration
from midnight.configuration.tables import Table
from midnight.errors import ConfigurationError, ConfigurationProblem
from midnight.masking import KEY_VARIABLE, key_problems, parse_key, uses_masking


def check_masking_key(configuration: Configuration, names: list[str]) -> None:
    """Check the masking key before a run reads anything.

    Args:
        configuration: all tables.
        names: names of the run's tables; empty means all.

    Raises:
        ConfigurationError: a table of the run has masked columns, and the key is missing or weak.
    """
    tables = configuration.select(names)
    if not uses_masking(tables):
        return
    try:
        parse_key(_read_variable())
    except ValueError as error:
        raise ConfigurationError(key_problems(configuration, tables, str(error))) from error


def masking_key_text(tables: Sequence[Table]) -> str:
    """The key for a job, as one line; empty when no table has masked columns.

    Raises:
        ConfigurationError: it is missing or weak.
    """
    if not uses_masking(tables):
        return ""
    text = _read_variable()
    try:
        parse_key(text)
    except ValueError as error:
        problem = ConfigurationProblem("Airflow variable", None, KEY_VARIABLE, f"is needed for masked columns; {error}")
        raise ConfigurationError([problem]) from error
    return str(text).strip()


def _read_variable() -> str | None:
    from airflow.sdk import Variable
    from airflow.sdk.log import mask_secret

    text: str | None = Variable.get(KEY_VARIABLE, default=None)
    if text:
        mask_secret(text.strip())  # Airflow replaces it by *** in logs
    return text

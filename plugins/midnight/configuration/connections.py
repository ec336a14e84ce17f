"""The Airflow connections of the azure profile, and whether Key Vault can hold them.

A connection ``a_b`` is the secret ``airflow-connections-a-b``: names of secrets know letters, digits and ``-`` only,
not whether a letter is large. So ``a_b``, ``a-b`` and ``A_b`` are one secret, and one would get the other's password.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from midnight.errors import ConfigurationError, ConfigurationProblem

SOURCE_CONNECTION = "midnight_source"
DATA_FACTORY_CONNECTION = "midnight_data_factory"
DATABRICKS_CONNECTION = "midnight_databricks"
SYNAPSE_CONNECTION = "midnight_synapse"
POWER_BI_CONNECTION = "midnight_power_bi"
# The principal as which the published model reads the views; only the publishing of the model asks for it.
POWER_BI_READER_CONNECTION = "midnight_power_bi_reader"
FIXED_CONNECTIONS = (
    DATA_FACTORY_CONNECTION,
    DATABRICKS_CONNECTION,
    SYNAPSE_CONNECTION,
    POWER_BI_CONNECTION,
    POWER_BI_READER_CONNECTION,
)

CONNECTIONS_PREFIX = "airflow-connections"
VARIABLES_PREFIX = "airflow-variables"
# "Vault name and object name", Key Vault documentation.
LONGEST_NAME = 127


def secret_name(identifier: str, prefix: str = CONNECTIONS_PREFIX, separator: str = "-") -> str:
    """Name of a connection's or variable's secret, as ``AzureKeyVaultBackend.build_path`` makes it."""
    return (f"{prefix}{separator}{identifier}" if prefix else identifier).replace("_", separator)


def checked_connection_id(identifier: str) -> str:
    """The id itself, for a pydantic validator; an empty one stands for no connection.

    Raises:
        ValueError: Key Vault refuses its secret's name, or it is too long for one.
    """
    if identifier and not re.fullmatch(r"[0-9A-Za-z_-]+", identifier):
        raise ValueError(
            f"connection id {identifier!r} cannot be the name of a Key Vault secret; take letters, digits, _ and -"
        )
    if len(secret_name(identifier)) > LONGEST_NAME:
        longest = LONGEST_NAME - len(secret_name(""))
        raise ValueError(
            f"connection id {identifier!r} has {len(identifier)} characters; a Key Vault secret's name holds {longest}"
        )
    return identifier


def colliding_ids(identifiers: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of different ids that are the same secret; an id that is used twice is no collision."""
    first: dict[str, str] = {}
    pairs = []
    for identifier in dict.fromkeys(identifiers):
        other = first.setdefault(secret_name(identifier).casefold(), identifier)
        if other != identifier:
            pairs.append((other, identifier))
    return pairs


def check_connection_ids(source: str, lake: str) -> None:
    """Refuse connections that would share a secret.

    Args:
        source: ``source.connection`` of ``pipeline.yml``.
        lake: ``MIDNIGHT_LAKE_CONNECTION``; may be empty.

    Raises:
        ConfigurationError: with each pair.
    """
    where = {lake: ("environment", "MIDNIGHT_LAKE_CONNECTION"), source: ("pipeline.yml", "source.connection")}
    problems = []
    for first, second in colliding_ids([*FIXED_CONNECTIONS, *([lake] if lake else []), source]):
        file, field = where[second]
        message = f"{second!r} and {first!r} are the same Key Vault secret {secret_name(second)!r}; rename {second!r}"
        problems.append(ConfigurationProblem(file, None, field, message))
    if problems:
        raise ConfigurationError(problems)

"""The Airflow connections of the azure profile, and which of their ids Key Vault can hold.

A connection ``a_b`` is the secret ``airflow-connections-a-b``. Secret names consist of letters, digits and ``-`` and
ignore case, so ``a_b``, ``a-b`` and ``A_b`` are the same secret, and one would get the other's password.
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
# The principal with which the published model reads the views; only publishing the model needs it.
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
    """Name of a connection's or variable's secret, as built by ``AzureKeyVaultBackend.build_path``."""
    return (f"{prefix}{separator}{identifier}" if prefix else identifier).replace("_", separator)


LONGEST_CONNECTION_ID = LONGEST_NAME - len(secret_name(""))


def checked_connection_id(identifier: str) -> str:
    """Validate a connection id and return it; an empty one means no connection.

    Raises:
        ValueError: its secret's name has a character that Key Vault refuses, or is too long.
    """
    if identifier and not re.fullmatch(r"[0-9A-Za-z_-]+", identifier):
        raise ValueError(
            f"{identifier!r} is not a valid connection id: Key Vault cannot hold its secret; hint: use letters, "
            "digits, _ and -"
        )
    if len(secret_name(identifier)) > LONGEST_NAME:
        raise ValueError(
            f"{identifier!r} is not a valid connection id: it has {len(identifier)} characters; hint: use at most "
            f"{LONGEST_CONNECTION_ID}, so that the name fits a Key Vault secret"
        )
    return identifier


def colliding_ids(identifiers: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of different ids that are the same secret; an id that is used twice does not collide."""
    first: dict[str, str] = {}
    pairs = []
    for identifier in dict.fromkeys(identifiers):
        other = first.setdefault(secret_name(identifier).casefold(), identifier)
        if other != identifier:
            pairs.append((other, identifier))
    return pairs


def check_connection_ids(source: str, lake: str) -> None:
    """Check that no two connections share a secret.

    Args:
        source: ``source.connection`` of ``pipeline.yml``.
        lake: ``MIDNIGHT_LAKE_CONNECTION``; may be empty.

    Raises:
        ConfigurationError: two ids are the same secret; with every such pair.
    """
    where = {lake: ("environment", "MIDNIGHT_LAKE_CONNECTION"), source: ("pipeline.yml", "source.connection")}
    problems = []
    for first, second in colliding_ids([*FIXED_CONNECTIONS, *([lake] if lake else []), source]):
        file, field = where[second]
        message = (
            f"{second!r} and {first!r} are the same Key Vault secret {secret_name(second)!r}; hint: rename {second!r}"
        )
        problems.append(ConfigurationProblem(file, None, field, message))
    if problems:
        raise ConfigurationError(problems)

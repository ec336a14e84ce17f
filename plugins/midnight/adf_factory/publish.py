"""Puts the resources of ``include/adf/`` into a factory, with the environment's own values."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from midnight.adf_factory.files import FOLDER, KINDS
from midnight.adf_factory.resources import KEY_VAULT, LAKE, SOURCE, VERIFY_FULL
from midnight.errors import ConfigurationError, ConfigurationProblem

if TYPE_CHECKING:
    from azure.mgmt.datafactory import DataFactoryManagementClient

# libpq's name -> the connector's number ("Copy data from PostgreSQL V2", sslMode).
SSL_MODES = {"disable": 0, "allow": 1, "prefer": 2, "require": 3, "verify-ca": 4, "verify-full": VERIFY_FULL}


@dataclass(frozen=True)
class Environment:
    """What differs between two environments.

    Args:
        vault: name of the Key Vault.
        account: name of the storage account.
        server: of the source, as the integration runtime's machine calls it; likewise ``port``.
        database: of the source; ``username`` of the role that reads.
        ssl_mode: 0 to 5, see ``SSL_MODES``.
    """

    vault: str
    account: str
    server: str
    database: str
    username: str
    port: int = 5432
    ssl_mode: int = VERIFY_FULL


def environment_of(vault: str, account: str, connection: str) -> Environment:
    """The environment, with the source's address taken from the Airflow connection in the vault.

    Args:
        vault: name of the Key Vault.
        account: name of the storage account.
        connection: text of the secret that holds the connection, as JSON; its password is not used.

    Raises:
        ConfigurationError: it is no such connection; the message does not repeat it.
    """
    try:
        fields = json.loads(connection)
        mode = (fields.get("extra") or {}).get("sslmode") or "verify-full"
        return Environment(
            vault=vault,
            account=account,
            server=fields["host"],
            database=fields["schema"],
            username=fields["login"],
            port=int(fields.get("port") or 5432),
            ssl_mode=SSL_MODES[mode],
        )
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ConfigurationError(
            [
                ConfigurationProblem(
                    "Key Vault",
                    None,
                    "connection of the source",
                    f"is not the JSON that docs/azure.md, step 3, writes ({type(error).__name__}); host, schema and "
                    f"login are needed, and sslmode in extra is one of {list(SSL_MODES)!r}",
                )
            ]
        ) from None


def factory_documents(folder: Path, environment: Environment) -> list[tuple[str, str, dict[str, Any]]]:
    """Kind, name and document of every resource, in the order in which they refer to each other.

    Args:
        folder: the configuration folder (``include/``).
        environment: its values replace the examples.
    """
    documents = [
        (kind, path.stem, json.loads(path.read_text(encoding="utf-8")))
        for kind in KINDS
        for path in sorted((folder / FOLDER / kind).glob("*.json"))
    ]
    values: dict[str, dict[str, Any]] = {
        KEY_VAULT: {"baseUrl": f"https://{environment.vault}.vault.azure.net/"},
        LAKE: {"url": f"https://{environment.account}.dfs.core.windows.net/"},
        SOURCE: {
            "server": environment.server,
            "port": environment.port,
            "database": environment.database,
            "username": environment.username,
            "sslMode": environment.ssl_mode,
        },
    }
    return [(kind, name, _with(document, values.get(name, {}))) for kind, name, document in documents]


def publish(
    client: DataFactoryManagementClient,
    resource_group: str,
    factory: str,
    documents: list[tuple[str, str, dict[str, Any]]],
    say: Callable[[str], object] = print,
) -> None:
    """Create or replace every resource; others of the factory stay as they are.

    Raises:
        azure.core.exceptions.AzureError: the service refuses; what came before is published.
    """
    operations: dict[str, Any] = {
        "linkedService": client.linked_services,
        "dataset": client.datasets,
        "pipeline": client.pipelines,
    }
    for kind, name, document in documents:
        operations[kind].create_or_update(resource_group, factory, name, {"properties": document["properties"]})
        say(f"published {kind} {name}")


def _with(document: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    result = copy.deepcopy(document)
    if values:
        result["properties"]["typeProperties"] |= values
    return result

"""Linked services and datasets of the factory.

Terraform deploys them from ``include/adf/`` (infra/data_factory_pipeline.tf). What differs between environments (the
server, the vault, the account) is an example here: Terraform replaces it with the environment's values.

Sources: "Copy data from PostgreSQL V2", "Azure Data Lake Storage Gen2", "Parquet format" (learn.microsoft.com).
"""

from __future__ import annotations

from typing import Any

# Created by infra/data_factory.tf; a test compares the two.
INTEGRATION_RUNTIME = "on-premises"
# The secret that docs/azure.md, step 3, puts into the vault.
PASSWORD_SECRET = "source-password"  # noqa: S105 - its name
KEY_VAULT, LAKE, SOURCE = "midnight_key_vault", "midnight_lake", "midnight_source"
SOURCE_QUERY, BRONZE_FILE = "midnight_source_query", "midnight_bronze_file"
VERIFY_FULL = 5

_FOLDER = {"name": "midnight"}


def linked_services() -> dict[str, dict[str, Any]]:
    """Name -> properties."""
    return {
        KEY_VAULT: {
            "type": "AzureKeyVault",
            "description": "Holds the password of the source; read with the factory's own identity.",
            "typeProperties": {"baseUrl": "https://midnight-example.vault.azure.net/"},
        },
        # No credential: the factory's own identity is used (infra/access.yml grants it bronze).
        LAKE: {
            "type": "AzureBlobFS",
            "description": "The lake, opened with the factory's own identity.",
            "typeProperties": {"url": "https://midnightexample.dfs.core.windows.net/"},
        },
        SOURCE: {
            "type": "PostgreSqlV2",
            "description": "The source, reached by the integration runtime in its network.",
            "connectVia": {"referenceName": INTEGRATION_RUNTIME, "type": "IntegrationRuntimeReference"},
            "typeProperties": {
                "server": "db.example.com",
                "port": 5432,
                "database": "shop",
                "username": "midnight_reader",
                "password": {
                    "type": "AzureKeyVaultSecret",
                    "store": {"referenceName": KEY_VAULT, "type": "LinkedServiceReference"},
                    "secretName": PASSWORD_SECRET,
                },
                "sslMode": VERIFY_FULL,
                "trustServerCertificate": False,
                "authenticationType": "Basic",
                "connectionTimeout": 15,
            },
        },
    }


def datasets() -> dict[str, dict[str, Any]]:
    """Name -> properties."""
    return {
        SOURCE_QUERY: {
            "type": "PostgreSqlV2Table",
            "description": "Whatever the copy's query selects.",
            "folder": _FOLDER,
            "linkedServiceName": _linked_service(SOURCE),
            "schema": [],
            "typeProperties": {},
        },
        BRONZE_FILE: {
            "type": "Parquet",
            "description": "One file of a batch. A retried copy replaces its file instead of adding one.",
            "folder": _FOLDER,
            "linkedServiceName": _linked_service(LAKE),
            "parameters": {"folder": {"type": "String"}, "file": {"type": "String"}},
            "schema": [],
            "typeProperties": {
                "location": {
                    "type": "AzureBlobFSLocation",
                    "fileSystem": "bronze",
                    "folderPath": expression("@dataset().folder"),
                    "fileName": expression("@dataset().file"),
                },
                "compressionCodec": "snappy",
            },
        },
    }


def expression(text: str) -> dict[str, str]:
    """A value that the service evaluates."""
    return {"value": text, "type": "Expression"}


def _linked_service(name: str) -> dict[str, str]:
    return {"referenceName": name, "type": "LinkedServiceReference"}

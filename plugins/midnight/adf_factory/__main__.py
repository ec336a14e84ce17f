"""Publishes include/adf/ to a factory: ``python -m midnight.adf_factory --factory … ``.

Signs in as you are signed in to ``az``, or as the environment's AZURE_* variables say. Takes the source's address from
its Airflow connection in the Key Vault, so that it stands in one place. ``--dry-run`` prints what would be published.
"""

from __future__ import annotations

import argparse
import json
import sys

from midnight.adf_factory.publish import environment_of, factory_documents, publish
from midnight.errors import MidnightError
from midnight.pipeline_config import load_pipeline
from midnight.settings import load_settings


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m midnight.adf_factory", description=__doc__)
    for name, text in {
        "subscription": "id of the subscription",
        "resource-group": "of the factory",
        "factory": "name of the factory",
        "vault": "name of the Key Vault",
        "account": "name of the storage account",
    }.items():
        parser.add_argument(f"--{name}", required=True, help=text)
    parser.add_argument("--dry-run", action="store_true", help="print the documents, publish nothing")
    given = parser.parse_args(arguments)
    # Imported here: the models of Data Factory alone take seconds, which --help need not wait for.
    from azure.core.exceptions import AzureError  # noqa: PLC0415
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415
    from azure.keyvault.secrets import SecretClient  # noqa: PLC0415
    from azure.mgmt.datafactory import DataFactoryManagementClient  # noqa: PLC0415

    folder = load_settings().config
    try:
        secret = f"airflow-connections-{load_pipeline(folder).source.connection.replace('_', '-')}"
        with (
            DefaultAzureCredential() as credential,
            SecretClient(f"https://{given.vault}.vault.azure.net", credential) as vault,
            DataFactoryManagementClient(credential, given.subscription) as client,
        ):
            connection = vault.get_secret(secret).value or ""
            documents = factory_documents(folder, environment_of(given.vault, given.account, connection))
            if given.dry_run:
                print(json.dumps([{"kind": kind, **document} for kind, _, document in documents], indent=2))
            else:
                publish(client, given.resource_group, given.factory, documents)
    except (AzureError, MidnightError) as error:
        print(f"nothing more is published: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

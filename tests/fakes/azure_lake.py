"""A lake in Azurite, for one test."""

from __future__ import annotations

import secrets

from azure.storage.blob import BlobServiceClient

from midnight.lake.azure.credential import LakeCredential
from midnight.lake.azure.files import AzureLakeFiles
from midnight.lake.paths import LakePaths
from midnight.retry import RetryPolicy
from tests.fakes.azurite import Azurite
from tests.support.ingest_run import BronzeFolder

QUICK = RetryPolicy(timeout=30, initial_backoff=0.01, max_backoff=0.1)


class AzureLake(BronzeFolder):
    """A ``BronzeFolder`` below its own folder in each container.

    Args:
        azurite: the service.
        port: of a proxy in front of it.
        read_timeout: of a request, in seconds.
    """

    def __init__(self, azurite: Azurite, *, port: int | None = None, read_timeout: float = 20) -> None:
        self.folder = f"test-{secrets.token_hex(4)}"
        self.service = BlobServiceClient.from_connection_string(azurite.connection_string())  # bypasses the proxy
        self.credential = LakeCredential(connection_string=azurite.connection_string(port=port), name="midnight_lake")
        self.lake = AzureLakeFiles(azurite.account, self.credential, QUICK, read_timeout=read_timeout)
        containers = LakePaths.in_account(azurite.account)
        self.paths = LakePaths(
            *(f"{root}/{self.folder}" for root in (containers.bronze, containers.silver, containers.gold))
        )

    def files(self, container: str = "bronze") -> list[str]:
        """Every file of a layer, relative to its root."""
        found = self.service.get_container_client(container).list_blob_names(name_starts_with=f"{self.folder}/")
        return sorted(name.removeprefix(f"{self.folder}/") for name in found)

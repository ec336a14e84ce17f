"""The lake of the current profile, for commands that read it."""

from __future__ import annotations

from midnight.lake.files import LakeFiles, open_local_lake
from midnight.settings import Settings


def open_lake(settings: Settings) -> LakeFiles:
    """The lake of this machine, or the one in Azure as the person who is signed in with `az login`."""
    if settings.profile == "local":
        return open_local_lake()
    from midnight.lake.azure.credential import LakeCredential
    from midnight.lake.azure.files import AzureLakeFiles

    return AzureLakeFiles(settings.storage_account, LakeCredential())

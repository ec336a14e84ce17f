"""The part of ``dbutils`` that Midnight uses, as a Databricks runtime provides it to a job.

``databricks.sdk.runtime`` takes its objects from a package of this name. Files are those of this machine, or blobs of
the lake, opened as the identity that the environment names (on Databricks: the external locations'). Source:
"Databricks Utilities (dbutils) reference", file system and secrets utilities.
"""

import base64
import os
import shutil
from types import SimpleNamespace
from urllib.parse import urlsplit


def _remove(path, recurse=False):
    url = urlsplit(path)
    if not recurse:
        raise ValueError(f"{path} is a directory; recurse is False")
    if url.scheme != "abfss":
        shutil.rmtree(path, ignore_errors=True)
        return True
    from azure.identity import ClientSecretCredential
    from azure.storage.blob import BlobServiceClient

    names = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
    account = f"https://{url.hostname.replace('.dfs.', '.blob.')}"
    with ClientSecretCredential(*(os.environ[name] for name in names)) as credential:
        container = BlobServiceClient(account, credential).get_container_client(url.username)
        for name in list(container.list_blob_names(name_starts_with=f"{url.path.strip('/')}/")):
            container.delete_blob(name)
    return True


def _secret(scope, key):
    from databricks.sdk import WorkspaceClient

    value = WorkspaceClient().secrets.get_secret(scope, key).value
    assert value is not None
    return base64.b64decode(value).decode()


class UserNamespaceInitializer:
    @classmethod
    def getOrCreate(cls):
        return cls()

    def get_namespace_globals(self):
        return {"dbutils": SimpleNamespace(fs=SimpleNamespace(rm=_remove), secrets=SimpleNamespace(get=_secret))}

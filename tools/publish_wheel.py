"""`midnight publish-wheel`: builds the wheel for Databricks and uploads it, never over a different file.

A person or pipeline that deploys does this, into a folder that Airflow's identity cannot write (infra/access.yml,
wheel_deploy); Terraform then names the wheel in the job.

Signs in as the Databricks command-line tools do: DATABRICKS_HOST with `az login`, a profile, or a token
(https://docs.databricks.com/aws/en/dev-tools/auth/unified-auth).
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tools.wheel import WheelError, build_wheel

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

# Of infra/databricks_job.tf
VARIABLE = "databricks_wheel"


def publish(client: WorkspaceClient, wheel: Path, folder: str) -> tuple[str, bool]:
    """Upload a wheel.

    Args:
        client: of the workspace.
        wheel: file with its version in its name.
        folder: below /Volumes/<catalog>/<schema>/<volume> or /Workspace/.

    Returns:
        Its path, and whether it already existed.

    Raises:
        WheelError: a file of this name has other content, or jobs cannot read the folder.
    """
    from databricks.sdk.errors import AlreadyExists, ResourceAlreadyExists

    path, content = f"{folder.rstrip('/')}/{wheel.name}", wheel.read_bytes()
    if not path.startswith(("/Volumes/", "/Workspace/")):
        raise WheelError(f"{folder!r} is not below /Volumes/ or /Workspace/, from which a job reads wheels")
    if path.startswith("/Workspace/Shared/"):
        raise WheelError(
            f"every user of the workspace may write to {folder!r}, and so decide what the job runs",
            "use the folder that `terraform output wheel_folder` prints",
        )
    store = _Volume(client) if path.startswith("/Volumes/") else _Workspace(client)
    store.make_folder(path.rpartition("/")[0])
    try:
        store.upload(path, content)
    except (AlreadyExists, ResourceAlreadyExists):
        if store.read(path) != content:
            raise WheelError(
                f"{path} exists with other content and was not replaced, since jobs may be using it",
                "publish into another folder, or remove it when no job references it",
            ) from None
        return path, True
    return path, False


class _Volume:
    """Files of a Unity Catalog volume."""

    def __init__(self, client: WorkspaceClient) -> None:
        self.files = client.files

    def make_folder(self, path: str) -> None:
        self.files.create_directory(path)

    def upload(self, path: str, content: bytes) -> None:
        self.files.upload(path, io.BytesIO(content), overwrite=False)

    def read(self, path: str) -> bytes:
        contents = self.files.download(path).contents
        return b"" if contents is None else bytes(contents.read())


class _Workspace:
    """Files of the workspace; its API knows them without the prefix."""

    def __init__(self, client: WorkspaceClient) -> None:
        self.workspace = client.workspace

    def make_folder(self, path: str) -> None:
        self.workspace.mkdirs(path.removeprefix("/Workspace"))

    def upload(self, path: str, content: bytes) -> None:
        from databricks.sdk.service.workspace import ImportFormat

        self.workspace.upload(path.removeprefix("/Workspace"), content, format=ImportFormat.RAW, overwrite=False)

    def read(self, path: str) -> bytes:
        from databricks.sdk.service.workspace import ExportFormat

        return bytes(self.workspace.download(path.removeprefix("/Workspace"), format=ExportFormat.AUTO).read())


def main(*, folder: str) -> int:
    """Build the wheel, upload it, and print the Terraform variable that names it.

    Args:
        folder: in the workspace.

    Returns:
        0.

    Raises:
        WheelError: it was not built, or the workspace refuses it.
    """
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.errors.base import DatabricksError

    try:
        with tempfile.TemporaryDirectory(prefix="midnight_wheel_") as temporary:
            path, existed = publish(WorkspaceClient(), build_wheel(Path(temporary)), folder)
    except (DatabricksError, ValueError, OSError) as error:  # ValueError: no way to sign in
        raise WheelError(str(error)) from error
    print("already there, with the same content" if existed else "uploaded")
    print(f'{VARIABLE} = "{path}"')
    return 0

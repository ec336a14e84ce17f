"""`make publish-wheel`: builds the wheel for Databricks and uploads it, never over another content.

A person or pipeline that deploys does this, into a folder that Airflow's identity cannot write (infra/access.yml,
wheel_deploy); Terraform then names the wheel in the job.

Signs in as the Databricks command-line tools do: DATABRICKS_HOST with `az login`, a profile, or a token
(https://docs.databricks.com/aws/en/dev-tools/auth/unified-auth).
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from midnight.errors import MidnightError
from tools.wheel import WheelError, build_wheel

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

# Of infra/databricks_job.tf
VARIABLE = "databricks_wheel"


def publish(client: WorkspaceClient, wheel: Path, folder: str) -> tuple[str, bool]:
    """Upload a wheel.

    Args:
        client: of the workspace.
        wheel: file whose name says its version.
        folder: below /Volumes/<catalog>/<schema>/<volume> or /Workspace/.

    Returns:
        Where it is, and whether it was there already.

    Raises:
        WheelError: there is a file of this name with another content, or the folder is none that jobs can read.
    """
    from databricks.sdk.errors import AlreadyExists, ResourceAlreadyExists  # noqa: PLC0415 - costs half a second

    path, content = f"{folder.rstrip('/')}/{wheel.name}", wheel.read_bytes()
    if not path.startswith(("/Volumes/", "/Workspace/")):
        raise WheelError(f"a job reads wheels from /Volumes/ or /Workspace/, not from {folder!r}")
    if path.startswith("/Workspace/Shared/"):
        raise WheelError(
            f"every user of the workspace may write {folder!r}, and would decide what the job runs; "
            "hint: take the folder that `terraform output wheel_folder` prints"
        )
    store = _Volume(client) if path.startswith("/Volumes/") else _Workspace(client)
    store.make_folder(path.rpartition("/")[0])
    try:
        store.upload(path, content)
    except (AlreadyExists, ResourceAlreadyExists):
        if store.read(path) != content:
            raise WheelError(
                f"{path} exists with another content: it was not replaced, since jobs may be using it; "
                "publish into another folder, or remove it when no job names it"
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
        from databricks.sdk.service.workspace import ImportFormat  # noqa: PLC0415

        self.workspace.upload(path.removeprefix("/Workspace"), content, format=ImportFormat.RAW, overwrite=False)

    def read(self, path: str) -> bytes:
        from databricks.sdk.service.workspace import ExportFormat  # noqa: PLC0415

        return bytes(self.workspace.download(path.removeprefix("/Workspace"), format=ExportFormat.AUTO).read())


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; see the module.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(prog="make publish-wheel", description=__doc__)
    parser.add_argument("folder", help="the folder for wheels: terraform output wheel_folder")
    given = parser.parse_args(arguments)
    from databricks.sdk import WorkspaceClient  # noqa: PLC0415 - costs half a second
    from databricks.sdk.errors import DatabricksError  # noqa: PLC0415

    try:
        with tempfile.TemporaryDirectory(prefix="midnight_wheel_") as temporary:
            path, known = publish(WorkspaceClient(), build_wheel(Path(temporary)), given.folder)
    except (MidnightError, DatabricksError, ValueError, OSError) as error:  # ValueError: no way to sign in
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("already there, with the same content" if known else "uploaded")
    print(f'{VARIABLE} = "{path}"')
    return 0


if __name__ == "__main__":
    sys.exit(main())

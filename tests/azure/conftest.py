"""Fixtures of the azure profile's tests."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import aiohttp.connector
import pytest

from tests.azure.azure_lake import AzureLake
from tests.azure.azurite import Azurite, running_azurite
from tests.azure.cloud import TENANT, Cloud, running_cloud
from tests.azure.entra import Entra
from tests.azure.fault_proxy import FaultProxy
from tests.azure.site.sitecustomize import pin


@pytest.fixture
def entra() -> Entra:
    """A tenant; its applications are made by the test."""
    return Entra(TENANT)


@pytest.fixture
def cloud(tmp_path: Path, entra: Entra, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Entra and a Key Vault; this process finds them under their real names."""
    with running_cloud(tmp_path, entra=entra, services=[]) as running:
        enter(running, monkeypatch)
        yield running


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


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """A blob service with the three containers, without TLS; tests stay apart by the fixture ``azure_lake``."""
    with running_azurite() as running:
        running.make_containers()
        yield running


@pytest.fixture
def fault_proxy(azurite: Azurite) -> Iterator[FaultProxy]:
    """A proxy before Azurite, without any fault yet."""
    with FaultProxy(azurite.port).running() as proxy:
        yield proxy


@pytest.fixture
def azure_lake(azurite: Azurite) -> AzureLake:
    """A lake of the test's own in Azurite."""
    return AzureLake(azurite)


@pytest.fixture
def faulty_lake(azurite: Azurite, fault_proxy: FaultProxy) -> AzureLake:
    """A lake of the test's own in Azurite, behind ``fault_proxy``; it waits 2 s for an answer."""
    return AzureLake(azurite, port=fault_proxy.port, read_timeout=2)

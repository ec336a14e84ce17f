"""Fixtures of the azure profile's tests."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import aiohttp.connector
import pytest

from tests.azure.cloud import TENANT, Cloud, running_cloud
from tests.azure.entra import Entra
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

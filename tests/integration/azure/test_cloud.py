"""The fakes refuse what the services refuse, and are reached by unmodified clients."""

from __future__ import annotations

import os
import subprocess
import sys

import httpx
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import ClientSecretCredential, DefaultAzureCredential
from azure.keyvault.secrets import SecretClient

from tests.fakes.cloud import TENANT, Cloud

ADDRESS = "https://midnight-test.vault.azure.net"


def test_a_secret_is_read_after_the_authentication_challenge(cloud: Cloud) -> None:
    cloud.key_vault.values["a-b"] = "value"
    with SecretClient(ADDRESS, DefaultAzureCredential()) as client:
        assert client.get_secret("a-b").value == "value"
    assert cloud.tunnel.refused == set()
    assert cloud.entra.issued == {"https://vault.azure.net": 1}


def test_a_wrong_client_secret_gets_no_token(cloud: Cloud) -> None:
    credential = ClientSecretCredential(TENANT, cloud.client[0], "wrong")
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        credential.get_token("https://storage.azure.com/.default")


def test_a_token_for_another_service_is_refused(cloud: Cloud) -> None:
    token = cloud.entra.token("https://storage.azure.com", cloud.client[0])
    response = requests.get(
        f"{ADDRESS}/secrets/a/?api-version=7.4", headers={"Authorization": f"Bearer {token}"}, timeout=5
    )
    assert response.status_code == 401


def test_an_identity_without_the_role_reads_nothing(cloud: Cloud) -> None:
    cloud.key_vault.readers.clear()
    with SecretClient(ADDRESS, DefaultAzureCredential()) as client, pytest.raises(HttpResponseError) as raised:
        client.get_secret("a")
    assert raised.value.status_code == 403


def test_other_hosts_are_refused_and_recorded(cloud: Cloud) -> None:
    with pytest.raises(httpx.ProxyError):
        httpx.get("https://example.com")
    assert cloud.tunnel.refused == {"example.com"}


def test_other_processes_and_aiohttp_find_the_cloud(cloud: Cloud) -> None:
    script = (
        "import asyncio, aiohttp\n"
        "async def main():\n"
        "    async with aiohttp.ClientSession() as session:\n"
        f"        async with session.get('{ADDRESS}/secrets/a/?api-version=7.4') as response: print(response.status)\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **cloud.environment()},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "401"

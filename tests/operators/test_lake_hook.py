"""The lake hook: a wrong identity is a sentence, not the end of the process."""

from __future__ import annotations

from types import SimpleNamespace
from unittest import mock

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential, DefaultAzureCredential

from midnight.errors import LakeError
from midnight.lake_files import LakeFiles, LocalLakeFiles
from midnight.settings import load_settings
from midnight_airflow.hooks.lake import open_lake


@pytest.fixture
def connection():
    fields = SimpleNamespace(extra_dejson={"tenantId": "t"}, login="id", password="never-shown")
    with mock.patch("airflow.sdk.Connection.get", return_value=fields):
        yield fields


def test_the_local_lake(local_home):
    assert isinstance(open_lake(load_settings()), LocalLakeFiles)


def test_the_machines_own_identity(azure):
    with mock.patch("azure.identity.DefaultAzureCredential", autospec=True) as credential:
        lake = open_lake(load_settings())
    assert credential.return_value.get_token.call_count == 1
    assert type(lake) is LakeFiles
    assert lake.storage_options == {"azure_storage_account_name": "lake"}


def test_a_service_principal(azure, connection, monkeypatch):
    monkeypatch.setenv("MIDNIGHT_LAKE_CONNECTION", "midnight_lake")
    with mock.patch("azure.identity.ClientSecretCredential", autospec=ClientSecretCredential) as credential:
        lake = open_lake(load_settings())
    credential.assert_called_once_with(tenant_id="t", client_id="id", client_secret="never-shown")
    assert lake.storage_options["azure_client_id"] == "id"


def test_no_token_is_a_sentence(azure):
    with mock.patch("azure.identity.DefaultAzureCredential", autospec=DefaultAzureCredential) as credential:
        credential.return_value.get_token.side_effect = ClientAuthenticationError("no identity\nmore")
        with pytest.raises(LakeError, match="no token for the lake 'lake' to this machine: no identity; check"):
            open_lake(load_settings())


def test_an_incomplete_connection_is_a_sentence_without_its_secret(azure, connection, monkeypatch):
    monkeypatch.setenv("MIDNIGHT_LAKE_CONNECTION", "midnight_lake")
    connection.extra_dejson = {}
    with pytest.raises(LakeError, match="'midnight_lake' lacks tenant_id") as raised:
        open_lake(load_settings())
    assert "never-shown" not in str(raised.value)

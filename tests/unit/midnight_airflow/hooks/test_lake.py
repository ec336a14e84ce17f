"""The lake hook: which identity an Airflow connection selects. tests/integration/azure uses them."""

from __future__ import annotations

from types import SimpleNamespace
from unittest import mock

import pytest
from azure.identity import ClientSecretCredential

from midnight.errors import LakeError
from midnight.lake.azure.files import AzureLakeFiles
from midnight.lake.files import LocalLakeFiles
from midnight.settings import load_settings
from midnight_airflow.hooks.lake import lake_credential, open_lake


@pytest.fixture
def connection():
    fields = SimpleNamespace(extra_dejson={"tenantId": "t"}, login="id", password="never-shown")
    with mock.patch("airflow.sdk.Connection.get", return_value=fields):
        yield fields


def test_the_local_lake(local_home):
    assert isinstance(open_lake(load_settings()), LocalLakeFiles)


def test_the_machines_own_identity(azure):
    with mock.patch("midnight.lake.azure.credential.DefaultAzureCredential", autospec=True) as credential:
        credential.return_value.get_token.return_value = SimpleNamespace(token="a token")
        lake = open_lake(load_settings())
        assert isinstance(lake, AzureLakeFiles)
        assert credential.return_value.get_token.call_count == 0, "no request before it is needed"
        assert lake.storage_options == {
            "azure_storage_account_name": "lake",
            "azure_storage_token": "a token",
        }


def test_a_service_principal(azure, connection, monkeypatch):
    monkeypatch.setenv("MIDNIGHT_LAKE_CONNECTION", "midnight_lake")
    with mock.patch(
        "midnight.lake.azure.credential.ClientSecretCredential", autospec=ClientSecretCredential
    ) as credential:
        lake = open_lake(load_settings())
    credential.assert_called_once_with("t", "id", "never-shown")
    assert lake.storage_options == {
        "azure_storage_account_name": "lake",
        "azure_tenant_id": "t",
        "azure_client_id": "id",
        "azure_client_secret": "never-shown",
    }


@pytest.mark.parametrize(
    ("extra", "login", "password", "whose"),
    [
        ({"tenantId": "t"}, "id", "p", "the service principal in connection 'c'"),
        ({"tenant_id": "t"}, "id", "p", "the service principal in connection 'c'"),
        ({"connection_string": "AccountName=a;AccountKey=a2V5"}, "", "", "the connection string in connection 'c'"),
        ({"managed_identity_client_id": "m"}, "", "", "the managed identity 'm'"),
    ],
)
def test_what_a_connection_means(extra, login, password, whose):
    credential = lake_credential(SimpleNamespace(extra_dejson=extra, login=login, password=password), "c")
    assert credential.whose == whose
    assert not [secret for secret in [*credential.secrets, "a2V5"] if secret in repr(credential) and len(secret) > 1]


def test_what_is_secret_is_masked_in_the_tasks_log():
    token = "sv=2026-01-01&sig=abcdefgh%3D"
    extra = {"connection_string": f"AccountName=a;SharedAccessSignature={token}"}
    with mock.patch("airflow.sdk.log.mask_secret") as mask:
        lake_credential(SimpleNamespace(extra_dejson=extra, login="", password=""), "c")
    assert [call.args[0] for call in mask.call_args_list] == [extra["connection_string"], token, "abcdefgh%3D"]


def test_an_incomplete_connection_is_a_sentence_without_its_secret(azure, connection, monkeypatch):
    monkeypatch.setenv("MIDNIGHT_LAKE_CONNECTION", "midnight_lake")
    connection.extra_dejson = {}
    with pytest.raises(LakeError, match=r"'midnight_lake' lacks tenant_id; it needs login .* or the extra") as raised:
        open_lake(load_settings())
    assert "never-shown" not in str(raised.value)

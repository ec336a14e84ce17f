"""Every kind of identity that accesses the lake, for the Azure client and delta-rs, with real tokens over TLS."""

from __future__ import annotations

import contextlib
import http.server
import json
import logging
import secrets
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from unittest import mock

import pyarrow
import pytest
from azure.storage.blob import AccountSasPermissions, ResourceTypes, generate_account_sas
from deltalake import DeltaTable, write_deltalake

from cli.checks import azure as azure_checks
from midnight.errors import LakeError
from midnight.lake.azure.credential import LakeCredential
from midnight.lake.azure.files import AzureLakeFiles
from midnight.lake.files import LakeFiles
from midnight.lake.paths import LakePaths
from midnight.retry import RetryPolicy
from midnight.settings import Settings
from midnight_airflow.hooks.lake import open_lake
from tests.fakes.azure_lake import QUICK
from tests.fakes.azurite import Azurite, running_azurite
from tests.fakes.certificates import CertificateAuthority
from tests.fakes.cloud import TENANT, Cloud, enter, running_cloud
from tests.fakes.entra import STORAGE
from tests.fakes.fault_proxy import Fault
from tests.support.error_chain import assert_no_secret

ROWS = pyarrow.table({"id": [1, 2, 3]})


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> CertificateAuthority:
    return CertificateAuthority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def secure_azurite(authority) -> Iterator[Azurite]:
    """Accepts only tokens with the correct audience, over TLS."""
    certificate = authority.issue("midnightlake.blob.core.windows.net", "127.0.0.1")
    with running_azurite(certificate=certificate) as running:
        running.make_containers(authority=authority.bundle)
        yield running


@pytest.fixture
def lake_cloud(tmp_path, entra, authority, secure_azurite, monkeypatch) -> Iterator[Cloud]:
    """The lake at its real host name, and Entra ID."""
    ports = {"midnightlake.blob.core.windows.net": secure_azurite.port}
    with running_cloud(tmp_path, entra=entra, services=[], authority=authority, ports=ports) as running:
        enter(running, monkeypatch)
        yield running


def settings_of(account: str = "midnightlake", connection: str = "") -> Settings:
    return Settings(
        profile="azure", storage_account=account, databricks_job_id=7, lake_connection=connection, adf_factory="f"
    )


@contextlib.contextmanager
def airflow_connection(*, login: str = "", password: str = "", **extra: str) -> Iterator[SimpleNamespace]:
    fields = SimpleNamespace(extra_dejson=extra, login=login, password=password)
    with mock.patch("airflow.sdk.Connection.get", return_value=fields):
        yield fields


def use(lake: LakeFiles, account: str = "midnightlake") -> None:
    """Write and read a file, and a Delta table by delta-rs."""
    root = f"{LakePaths.in_account(account).bronze}/test-{secrets.token_hex(4)}"
    lake.write_new(f"{root}/document", "content")
    assert lake.read_text(f"{root}/document") == "content"
    write_deltalake(f"{root}/table", ROWS, storage_options=lake.storage_options)
    assert DeltaTable(f"{root}/table", storage_options=lake.storage_options).to_pyarrow_table().equals(ROWS)
    lake.delete_folder(root)


def test_a_service_principal_in_a_connection(lake_cloud, monkeypatch):
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name)
    client, secret = lake_cloud.client
    with airflow_connection(login=client, password=secret, tenantId=TENANT):
        lake = open_lake(settings_of(connection="midnight_lake"))
    use(lake)
    assert set(lake_cloud.entra.issued) == {STORAGE}
    assert lake_cloud.tunnel.refused == set()


def test_the_default_credential_chain(lake_cloud):
    """Here it finds the service principal in the environment. delta-rs gets a token of the same identity."""
    lake = open_lake(settings_of())
    use(lake)
    assert set(lake.storage_options) == {"azure_storage_account_name", "azure_storage_token"}
    assert set(lake_cloud.entra.issued) == {STORAGE}


@pytest.mark.parametrize("client", ["", "user-assigned"])
def test_a_managed_identity(lake_cloud, monkeypatch, client):
    """As in App Service and Container Apps: a local endpoint issues tokens."""
    for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"):
        monkeypatch.delenv(name)
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, self.headers["X-IDENTITY-HEADER"]))
            token = lake_cloud.entra.token(STORAGE, client or "system-assigned")
            body = {"access_token": token, "expires_on": str(int(time.time()) + 3600), "token_type": "Bearer"}
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *arguments) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}/token")
        monkeypatch.setenv("IDENTITY_HEADER", "header")
        with airflow_connection(managed_identity_client_id=client):
            lake = open_lake(settings_of(connection="midnight_lake" if client else ""))
        use(lake)
        server.shutdown()
        thread.join()
    assert {header for _, header in seen} == {"header"}
    assert all("resource=https" in path and (f"client_id={client}" in path) == bool(client) for path, _ in seen)


def test_an_identity_without_a_token_is_reported(lake_cloud):
    with airflow_connection(login=lake_cloud.client[0], password="wrong~secret", tenantId=TENANT):
        lake = open_lake(settings_of(connection="midnight_lake"))
    expected = (
        r"Entra ID did not issue a token for the lake 'midnightlake' to the service principal in connection "
        r"'midnight_lake': .*AADSTS7000215.*; hint: check the identity \(MIDNIGHT_LAKE_CONNECTION"
    )
    with pytest.raises(LakeError, match=expected) as raised:
        lake.read_text("abfss://bronze@midnightlake.dfs.core.windows.net/x")
    assert_no_secret(raised.value, ["wrong~secret"])


def test_a_token_for_another_audience_is_rejected(lake_cloud, secure_azurite):
    token = SimpleNamespace(token=lake_cloud.entra.token("https://vault.azure.net", "x"), expires_on=time.time() + 3600)
    with mock.patch("midnight.lake.azure.credential.DefaultAzureCredential") as credential:
        credential.return_value = mock.Mock(spec=["get_token"])
        credential.return_value.get_token.return_value = token
        lake = open_lake(settings_of())
        with pytest.raises(LakeError, match=r"cannot be read: 40[13] .*(Storage Blob Data Contributor|connection)"):
            lake.read_text("abfss://bronze@midnightlake.dfs.core.windows.net/x")


def sas_string(azurite: Azurite, port: int) -> str:
    token = generate_account_sas(
        azurite.account,
        azurite.key,
        ResourceTypes(service=True, container=True, object=True),
        AccountSasPermissions(read=True, write=True, delete=True, list=True, add=True, create=True),
        datetime.now(UTC) + timedelta(hours=1),
    )
    endpoint = f"http://127.0.0.1:{port}/{azurite.account}"
    return f"BlobEndpoint={endpoint};AccountName={azurite.account};SharedAccessSignature={token}"


@pytest.mark.parametrize("kind", ["key", "SAS"])
def test_a_connection_string(azurite, kind):
    text = azurite.connection_string() if kind == "key" else sas_string(azurite, azurite.port)
    with airflow_connection(connection_string=text):
        use(open_lake(settings_of(connection="midnight_lake")))


@pytest.mark.parametrize("kind", ["reset", "denied", "cut", "unreachable"])
def test_a_sas_token_is_not_logged(azurite, fault_proxy, caplog, kind):
    caplog.set_level(logging.DEBUG)
    for name in ("azure", "urllib3"):
        caplog.set_level(logging.DEBUG, logger=name)
    text = sas_string(azurite, 1 if kind == "unreachable" else fault_proxy.port)
    credential = LakeCredential(connection_string=text, name="midnight_lake")
    lake = AzureLakeFiles(azurite.account, credential, QUICK)
    lake._retries.retry_policy = RetryPolicy(timeout=0.2, initial_backoff=0.01)
    path = "abfss://bronze@midnightlake.dfs.core.windows.net/test-sas/document"
    if kind == "cut":
        lake.write_text(path, "x" * 1000)
        lake.delete_file(path)
    if kind in {"reset", "denied"}:
        fault_proxy.faults = [Fault(kind, "PUT", times=None)]
    if kind != "cut":
        with pytest.raises(LakeError) as raised:
            lake.write_text(path, "x")
        assert_no_secret(raised.value, credential.secrets)
        assert "core.windows.net" in str(raised.value)
    signature = credential.secrets[-1]
    assert len(signature) > 20
    assert caplog.records
    seen = [record for record in caplog.records if signature in f"{record.getMessage()} {record.args!r}"]
    assert seen == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nonsense", "is not valid"),
        ("AccountName=other;AccountKey=c2VjcmV0LWtleQ==", "is for the account 'other', not 'midnightlake'"),
        ("AccountName=midnightlake;AccountKey=c2VjcmV0LWtleQ", "is not valid"),
    ],
)
def test_an_invalid_connection_string_is_reported_without_its_key(text, expected):
    credential = LakeCredential(connection_string=text, name="midnight_lake")
    with pytest.raises(LakeError, match=expected) as raised:
        AzureLakeFiles("midnightlake", credential)
    assert_no_secret(raised.value, ["c2VjcmV0LWtleQ"])


def test_delta_options_for_a_real_account():
    key = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=a2V5;EndpointSuffix=core.windows.net"
    assert LakeCredential(connection_string=key).delta_options("a") == {
        "azure_storage_account_name": "a",
        "azure_storage_account_key": "a2V5",
    }
    sas = "BlobEndpoint=https://a.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=x%3D"
    assert LakeCredential(connection_string=sas).delta_options("a") == {
        "azure_storage_account_name": "a",
        "azure_storage_sas_token": "sv=1&sig=x%3D",
    }
    china = LakeCredential(connection_string=key.replace("windows.net", "chinacloudapi.cn"))
    assert china.delta_options("a")["azure_storage_endpoint"] == "https://a.blob.core.chinacloudapi.cn"


def test_paths_of_another_account_are_rejected(azure_lake):
    for path in ("/data/x", "abfss://bronze@other.dfs.core.windows.net/x", "abfss://midnightlake/x"):
        with pytest.raises(LakeError, match="is not in the lake abfss://<container>@midnightlake"):
            azure_lake.lake.read_text(path)


# doctor ---------------------------------------------------------------------------------------------------------------


def findings(azurite: Azurite, *, account: str = "midnightlake", text: str = "") -> list[tuple[str, str]]:
    connection = SimpleNamespace(
        extra_dejson={"connection_string": text or azurite.connection_string()}, login="", password=""
    )
    found = azure_checks.check_lake(settings_of(account, "midnight_lake"), connection)
    return [(finding.name, finding.state) for finding in found]


def test_the_doctor_checks_the_lake(azurite):
    before = [c.name for c in azurite_service(azurite).list_containers()]
    expected = [(f"lake {layer}", "ok") for layer in ("bronze", "silver", "gold")]
    assert findings(azurite) == expected
    assert [c.name for c in azurite_service(azurite).list_containers()] == before
    assert "_midnight_doctor" not in list(azurite_service(azurite).get_container_client("gold").list_blob_names())


def azurite_service(azurite: Azurite):
    return LakeCredential(connection_string=azurite.connection_string()).blob_service(azurite.account)


def test_the_doctor_reports_a_missing_container_and_another_account(azurite, monkeypatch):
    assert findings(azurite, account="other") == [("lake", "fail")]
    monkeypatch.setattr(azure_checks, "LAYERS", ("bronze", "nowhere"))
    assert findings(azurite) == [("lake bronze", "ok"), ("lake nowhere", "fail")]


def test_the_doctor_reports_a_missing_permission(azurite, fault_proxy):
    fault_proxy.faults = [Fault("denied", "PUT", "/silver/")]
    found = findings(azurite, text=azurite.connection_string(port=fault_proxy.port))
    assert found == [("lake bronze", "ok"), ("lake silver", "fail"), ("lake gold", "ok")]


def test_the_doctor_with_tokens(lake_cloud):
    found = azure_checks.check_lake(settings_of(), None)
    assert [(finding.name, finding.state) for finding in found] == [
        (f"lake {layer}", "ok") for layer in ("bronze", "silver", "gold")
    ]
    lake_cloud.entra.expired.add(lake_cloud.client[0])
    (finding,) = azure_checks.check_lake(settings_of(), None)
    assert (finding.state, "AADSTS7000222" in finding.found) == ("fail", True)

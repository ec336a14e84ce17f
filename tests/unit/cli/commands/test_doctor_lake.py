"""Each fault of the lake in Azure is provoked, and the doctor names it with its hint."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from cli.checks import azure
from midnight.settings import load_settings
from tests.unit.cli.commands.conftest import AZURE


@pytest.fixture
def storage() -> Iterator[SimpleNamespace]:
    """A server that answers every request with the status that the test sets, as Azure Storage words it."""
    chosen = SimpleNamespace(status=412, code="ConditionNotMet", seen=[])

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            chosen.seen.append((self.command, self.headers.get("If-Match")))
            body = f"<?xml version='1.0'?><Error><Code>{chosen.code}</Code><Message>m</Message></Error>".encode()
            self.send_response(chosen.status)
            self.send_header("x-ms-error-code", chosen.code)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            body = b"<?xml version='1.0'?><EnumerationResults><Blobs/><NextMarker/></EnumerationResults>"
            self.send_response(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        chosen.url = f"http://127.0.0.1:{server.server_address[1]}/account"
        yield chosen
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "code", "state", "words"),
    [
        (412, "ConditionNotMet", "ok", "can be read and written"),
        (403, "AuthorizationPermissionMismatch", "fail", "Storage Blob Data Contributor"),
        (404, "ContainerNotFound", "fail", "has no container 'bronze'"),
        (409, "ContainerBeingDeleted", "fail", "ContainerBeingDeleted"),
    ],
)
def test_whether_the_lake_can_be_written(storage, status, code, state, words):
    from azure.storage.blob import BlobServiceClient

    storage.status, storage.code = status, code
    key = {"account_name": "account", "account_key": "a2V5"}
    with BlobServiceClient(storage.url, key, retry_total=0) as service:
        found = azure.check_container(service, "bronze")
    assert (found.state, words in f"{found.found} {found.hint}") == (state, True)
    assert storage.seen == [("PUT", '"0x0"')]


def test_a_lake_without_an_identity(monkeypatch):
    """Azure's real client asks for a token where nobody listens; no other kind of identity is tried."""
    for name, value in {
        "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential",
        "AZURE_AUTHORITY_HOST": "https://127.0.0.1:1",
        "AZURE_TENANT_ID": "00000000-0000-0000-0000-000000000001",
        "AZURE_CLIENT_ID": "client",
        "AZURE_CLIENT_SECRET": "s3cr3t",
    }.items():
        monkeypatch.setenv(name, value)
    (found,) = azure.check_lake(load_settings(AZURE), None)
    assert (found.name, found.state, "no identity" in found.found, "s3cr3t" in found.found) == (
        "lake",
        "fail",
        True,
        False,
    )


def test_a_lake_that_cannot_be_reached():
    from azure.storage.blob import BlobServiceClient

    key = {"account_name": "account", "account_key": "a2V5"}
    with BlobServiceClient("http://127.0.0.1:1/account", key, retry_total=0) as service:
        found = azure.check_container(service, "bronze")
    assert (found.state, "cannot be reached" in found.found) == ("fail", True)

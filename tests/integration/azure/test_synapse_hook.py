"""Airflow's hook of Synapse: its methods, and connections that it rejects."""

from __future__ import annotations

import json

import pytest

from midnight.errors import ServingError
from midnight_airflow.hooks.synapse import SynapseHook
from tests.fakes.synapse_workspace import Workspace


def test_the_hook_has_the_methods_of_the_providers_hook(ready_workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AIRFLOW_CONN_MIDNIGHT_SYNAPSE", json.dumps(ready_workspace.connection_uri()))
    hook = SynapseHook("midnight_synapse", database="midnight")
    assert hook.get_records("SELECT s.name FROM sys.schemas AS s ORDER BY s.name") == [
        ("dbo",),
        ("gold",),
        ("midnight",),
        ("reporting",),
    ]
    assert hook.get_first("SELECT 1 AS one, 'ø' AS two") == (1, "ø")
    assert hook.conn_type == "odbc"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"host": ""}, r"connection 'midnight_synapse' has no host; .*write <workspace>"),
        ({"password": ""}, r"the service principal is incomplete; .*it needs login .* password"),
        ({"extra": {}}, r"the service principal is incomplete; .*it needs login .*tenantId"),
        (
            {"extra": {"TrustServerCertificate": "yes"}},
            r"'TrustServerCertificate'; .*the server's certificate is always",
        ),
        ({"extra": {"Authentication": "ActiveDirectoryServicePrincipal"}}, r"Midnight always signs in with a token"),
        ({"extra": {"tenantId": "t", "Encrypt": "no"}}, r"Encrypt is 'no'; .*write 'yes' or 'strict'"),
        ({"extra": {"colour": "red"}}, r"has the unsupported extra 'colour'; .*use one of tenantId"),
    ],
)
def test_an_invalid_connection_is_rejected(
    ready_workspace: Workspace, monkeypatch: pytest.MonkeyPatch, change, message: str
):
    monkeypatch.setenv("AIRFLOW_CONN_MIDNIGHT_SYNAPSE", json.dumps(ready_workspace.connection_uri() | change))
    with pytest.raises(ServingError, match=message) as raised:
        SynapseHook("midnight_synapse", database="midnight").get_conn()
    assert "canary" not in str(raised.value)

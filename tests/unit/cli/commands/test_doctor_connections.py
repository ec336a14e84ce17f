"""Each fault of secrets backend and connections is provoked, and the doctor names it with its hint."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import ClassVar

import pytest

from cli.checks import azure_connections
from cli.checks.azure_connections import (
    AIRFLOWS_KEY_VAULT,
    BACKEND,
    KEY_VAULT,
    KEYWORDS,
    WantedConnection,
    find_connections,
)
from midnight.settings import REPOSITORY, load_settings, python_path
from tests.unit.cli.commands.conftest import AZURE

SOURCE = WantedConnection("midnight_source", "the source database", ("host", "schema", "login", "password"))


class FakeBackend:
    """A secrets backend whose answer the test chooses."""

    answer: ClassVar[str | Exception | None] = None

    def get_conn_value(self, conn_id: str) -> str | None:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def http_error(status: int) -> Exception:
    from azure.core.exceptions import HttpResponseError

    error = HttpResponseError("(Forbidden) The user does not have secrets get permission")
    error.status_code = status
    return error


def client_error(name: str) -> Exception:
    from azure.core import exceptions

    return getattr(exceptions, name)("it did not work")


@pytest.mark.parametrize(
    ("answer", "state", "words"),
    [
        (lambda: http_error(403), "fail", "Key Vault Secrets User"),
        (lambda: http_error(429), "fail", "throttles requests (429)"),
        (lambda: client_error("ClientAuthenticationError"), "fail", "AZURE_CLIENT_ID"),
        (lambda: client_error("ServiceRequestError"), "fail", "is not reachable"),
        (lambda: None, "fail", "airflow-connections-midnight-source"),
        (lambda: "{broken s3cr3t", "fail", "neither JSON nor a URI"),
        (lambda: '{"conn_type": "postgres", "host": "h", "password": "s3cr3t"}', "fail", "without schema, login"),
        (lambda: "postgres://u:s3cr3t@h/d", "ok", "in the secrets backend"),
    ],
)
def test_what_the_secrets_backend_really_says(monkeypatch, answer, state, words):
    monkeypatch.setattr(azure_connections, "import_module", lambda name: SimpleNamespace(FakeBackend=FakeBackend))
    monkeypatch.setattr(FakeBackend, "answer", answer())
    _, found = find_connections([SOURCE], {BACKEND: "x.FakeBackend", KEYWORDS: ""})
    text = " ".join(f"{finding.found} {finding.hint}" for finding in found)
    assert (found[-1].state, words in text, "s3cr3t" in text) == (state, True, False)


def test_a_connection_of_the_environment_counts_only_without_a_backend(monkeypatch):
    monkeypatch.setattr(azure_connections, "import_module", lambda name: SimpleNamespace(FakeBackend=FakeBackend))
    monkeypatch.setattr(FakeBackend, "answer", None)
    environment = {BACKEND: "x.FakeBackend", "AIRFLOW_CONN_MIDNIGHT_SOURCE": "postgres://u:p@h/d"}
    usable, found = find_connections([SOURCE], environment)
    words = "for the source database: not in the secrets backend"
    assert (list(usable), found[-1].state, found[-1].found) == ([], "fail", words)
    usable, found = find_connections([SOURCE], {"AIRFLOW_CONN_MIDNIGHT_SOURCE": "postgres://u:p@h/d"})
    assert (list(usable), found[-1].found) == (["midnight_source"], "for the source database: in the environment")


def test_a_vault_that_cannot_be_reached():
    """The real backend and Azure's real client, and a port where nobody listens."""
    keywords = {"vault_url": "https://127.0.0.1:1/", "retry_total": 0, "tenant_id": "t", "client_id": "c"}
    keywords["client_secret"] = "s3cr3t"
    _, found = find_connections([SOURCE], {BACKEND: KEY_VAULT, KEYWORDS: json.dumps(keywords)})
    text = " ".join(f"{finding.found} {finding.hint}" for finding in found)
    assert (found[-1].state, "from Key Vault 127.0.0.1: the vault is not reachable" in text, "s3cr3t" in text) == (
        "fail",
        True,
        False,
    )


@pytest.mark.slow
def test_the_backend_in_a_process_that_has_not_imported_airflow():
    """Airflow imports its backend while it is imported itself: who comes first decides whether that works."""
    script = (
        "from cli.checks.azure_connections import WantedConnection, find_connections\n"
        "print(find_connections([WantedConnection('midnight_source', 'x')])[1][-1].found)"
    )
    keywords = {"vault_url": "https://127.0.0.1:1/", "retry_total": 0, "config_prefix": None}
    keywords |= {"tenant_id": "t", "client_id": "c", "client_secret": "s3cr3t"}
    environment = {**os.environ, BACKEND: KEY_VAULT, KEYWORDS: json.dumps(keywords)}
    environment["PYTHONPATH"] = python_path()
    answer = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert "from Key Vault 127.0.0.1: the vault is not reachable" in answer.stdout, answer.stderr


@pytest.mark.parametrize(
    ("environment", "state", "words"),
    [
        ({}, "warn", "is not set"),
        ({BACKEND: "no.such.Backend"}, "fail", "No module named"),
        ({BACKEND: KEY_VAULT, KEYWORDS: '{"client_secret": "s3cr3t"'}, "fail", "not valid JSON"),
        ({BACKEND: KEY_VAULT, KEYWORDS: '{"vault_url": "http://v"}'}, "fail", "vault_url is 'http://v'"),
        ({BACKEND: KEY_VAULT, f"{KEYWORDS[:-1]}__SEP": "-"}, "warn", "are strings"),
        ({BACKEND: AIRFLOWS_KEY_VAULT, KEYWORDS: '{"vault_url": "https://v"}'}, "warn", "isn't defined"),
    ],
)
def test_a_backend_that_is_configured_wrongly(environment, state, words):
    _, found = azure_connections.open_backend(environment)
    text = " ".join(finding.found for finding in found)
    assert (found[0].state, words in text, "s3cr3t" in text) == (state, True, False)


def test_the_connections_that_the_azure_profile_needs():
    wanted = azure_connections.wanted_connections(load_settings({**AZURE, "MIDNIGHT_LAKE_CONNECTION": "lake"}), "src")
    assert [connection.id for connection in wanted] == [
        "src",
        "midnight_databricks",
        "midnight_synapse",
        "midnight_data_factory",
        "midnight_power_bi",
        "lake",
    ]

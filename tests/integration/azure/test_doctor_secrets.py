"""``make doctor`` on the secrets of Key Vault: connections and the masking key."""

from __future__ import annotations

import time
from typing import Any

import pytest

from cli.checks import azure_services
from midnight.masking import GENERATE_KEY_COMMAND, parse_key
from tests.fakes.key_vault import READ
from tests.support.doctor_setup import Setup


def _forbid(setup: Setup) -> None:
    setup.cloud.key_vault.readers.clear()


def _throttle(setup: Setup) -> None:
    setup.cloud.key_vault.fail(READ, *[lambda: setup.cloud.key_vault.error(429, "Too many")] * 99)


def _expire(setup: Setup) -> None:
    setup.cloud.entra.expired.add(setup.cloud.client[0])


def _cut_off(setup: Setup) -> None:
    setup.cloud.tunnel.unreachable |= set(setup.cloud.tunnel.ports)


@pytest.mark.parametrize(
    ("provoke", "names", "found", "hint"),
    [
        (_forbid, 6, ": 403 Forbidden", "Key Vault Secrets User"),
        (_throttle, 1, "throttles requests (429)", "wait a minute"),
        (_expire, 1, "the client secret of Airflow's identity has expired", "AZURE_CLIENT_SECRET"),
        (_cut_off, 1, "is not reachable", "check DNS, firewall and proxy"),
    ],
)
def test_a_vault_that_gives_nothing(setup: Setup, provoke: Any, names: int, found: str, hint: str):
    """No service is asked with a connection that nobody could read, and what holds for all secrets is told once."""
    setup.settings = setup.settings.model_copy(update={"lake_connection": "midnight_lake"})
    provoke(setup)
    started = time.monotonic()
    findings = [f for f in azure_services.check_azure(setup.settings, setup.loaded) if f.state == "fail"]
    assert (len(findings), {found in f.found for f in findings}, {hint in f.hint for f in findings}) == (
        names,
        {True},
        {True},
    )
    assert "canary" not in str(findings)
    assert time.monotonic() - started < 20


def test_an_expired_secret_is_told_once_with_all_that_it_affects(setup: Setup):
    client, secret = setup.cloud.entra.add_application()
    for name in ("lake", "databricks", "data-factory", "power-bi"):
        setup.connection(f"midnight-{name}", login=client, password=secret)
    setup.cloud.entra.expired.add(client)
    (finding,) = (f for f in azure_services.check_azure(setup.settings, setup.loaded) if f.state == "fail")
    assert finding.name == "sign-in"
    assert f"the client secret of the application {client!r} has expired (AADSTS7000222)" in finding.found
    assert finding.found.endswith("affected: lake, Databricks, Data Factory, Power BI")
    assert f"az ad app credential reset --id {client} --append" in finding.hint
    assert "midnight_data_factory, midnight_databricks, midnight_lake, midnight_power_bi" in finding.hint
    assert secret not in str(finding)


def test_the_masking_key(setup: Setup):
    def check() -> tuple[str, str, str]:
        (finding,) = azure_services.check_masking_key()
        return finding.state, finding.found.removeprefix("for the pseudonyms of masked columns: "), finding.hint

    secret = "airflow-variables-midnight-masking-key"
    missing = (
        f"Key Vault midnight-test has no secret {secret!r} for 'midnight_masking_key'; "
        "no other secrets backend is tried"
    )
    assert check()[:2] == ("fail", missing)
    setup.cloud.key_vault.values[secret] = "canary"
    assert check() == ("fail", "it is not hexadecimal", f"generate one with {GENERATE_KEY_COMMAND}")
    setup.cloud.key_vault.values[secret] = key = bytes(range(32)).hex()
    assert check() == ("ok", f"fingerprint {parse_key(key).fingerprint}", "")
    setup.cloud.key_vault.disabled.add(secret)
    disabled = f"could not read secret {secret!r} from Key Vault midnight-test: the secret is disabled (403)"
    assert check()[:2] == ("fail", disabled)


def test_connections_that_would_be_one_secret(setup: Setup):
    settings = setup.settings.model_copy(update={"lake_connection": "Midnight-Power_BI"})
    found = {f.name: f.found for f in azure_services.check_azure(settings, setup.loaded)}
    assert "'Midnight-Power_BI' and 'midnight_power_bi' are the same Key Vault secret" in found["connection names"]

"""Connection ids that collide in Key Vault, or that it cannot hold, are refused before a run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from airflow.providers.microsoft.azure.secrets.key_vault import AzureKeyVaultBackend
from hypothesis import given
from hypothesis import strategies as st

from midnight.configuration.connections import checked_connection_id, colliding_ids, secret_name
from midnight.configuration.pipeline import load_pipeline
from midnight.errors import ConfigurationError
from midnight.settings import REPOSITORY, load_settings
from midnight_airflow import stages

IDS = st.text("abA_-", min_size=1, max_size=5)
AZURE = {
    "MIDNIGHT_PROFILE": "azure",
    "MIDNIGHT_STORAGE_ACCOUNT": "account",
    "MIDNIGHT_DATABRICKS_JOB_ID": "7",
}


@given(identifier=IDS)
def test_the_name_of_a_secret_is_airflows(identifier: str):
    assert secret_name(identifier) == AzureKeyVaultBackend.build_path("airflow-connections", identifier, "-")


@given(identifiers=st.lists(IDS, max_size=6))
def test_ids_collide_when_their_secrets_are_the_same(identifiers: list[str]):
    different = set(identifiers)
    secrets = {AzureKeyVaultBackend.build_path("airflow-connections", name, "-").lower() for name in different}
    assert len(colliding_ids(identifiers)) == len(different) - len(secrets)


def test_both_ids_are_named():
    assert colliding_ids(["a_b", "c", "a-b", "C"]) == [("a_b", "a-b"), ("c", "C")]


@pytest.mark.parametrize(
    ("identifier", "words"),
    [
        ("a.b", "'a.b' is not a valid connection id"),
        ("ü", "'ü' is not"),
        ("x" * 108, "108 characters; hint: use at most 107"),
    ],
)
def test_ids_that_a_secrets_name_cannot_have(identifier: str, words: str):
    assert checked_connection_id("x" * 107) == "x" * 107
    with pytest.raises(ValueError, match=words):
        checked_connection_id(identifier)
    with pytest.raises(ConfigurationError, match=words):
        load_settings({**AZURE, "MIDNIGHT_LAKE_CONNECTION": identifier})


def configuration(folder: Path, connection: str) -> Path:
    target = folder / "include"
    shutil.copytree(REPOSITORY / "include", target)
    path = target / "pipeline.yml"
    lines = [line for line in path.read_text().splitlines() if "connection: midnight_source" not in line]
    lines.insert(lines.index("source:") + 1, f"  connection: {connection}")
    path.write_text("\n".join(lines) + "\n")
    return target


def test_the_source_connection_of_the_configuration(tmp_path: Path):
    with pytest.raises(
        ConfigurationError, match=r"pipeline.yml:\d+: source.connection: .*'my.db' is not a valid connection id"
    ):
        load_pipeline(configuration(tmp_path, "my.db"))


@pytest.mark.parametrize(
    ("source", "lake", "words"),
    [
        ("midnight-databricks", "", "source.connection: 'midnight-databricks' and 'midnight_databricks' are the same"),
        ("my-source", "my_source", "source.connection: 'my-source' and 'my_source' are the same Key Vault secret"),
        ("s", "Midnight_Synapse", "MIDNIGHT_LAKE_CONNECTION: 'Midnight_Synapse' and 'midnight_synapse' are the same"),
    ],
)
def test_a_dag_with_colliding_connections_does_not_parse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, lake: str, words: str
):
    for name, value in {**AZURE, "MIDNIGHT_LAKE_CONNECTION": lake}.items():
        monkeypatch.setenv(name, value)
    pipeline = load_pipeline(configuration(tmp_path, source))
    with pytest.raises(ConfigurationError, match=words):
        stages.dag_arguments(pipeline)
    monkeypatch.setenv("MIDNIGHT_PROFILE", "local")  # no Key Vault, no collision
    assert stages.dag_arguments(pipeline)["max_active_runs"] == 1


def test_one_connection_for_two_purposes_does_not_collide(monkeypatch: pytest.MonkeyPatch):
    for name, value in {**AZURE, "MIDNIGHT_LAKE_CONNECTION": "midnight_databricks"}.items():
        monkeypatch.setenv(name, value)
    assert stages.dag_arguments(load_pipeline(REPOSITORY / "include"))["catchup"] is False

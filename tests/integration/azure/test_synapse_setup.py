"""The setup of Synapse through the real driver: in the documented order, and idempotent."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from cli.commands.synapse import main
from midnight.errors import ConfigurationError, ServingError
from midnight.gold_to_serving.synapse_setup import setup_scripts
from midnight.settings import REPOSITORY
from tests.fakes.entra import SYNAPSE
from tests.fakes.synapse_workspace import ACCOUNT, LOCATION, POWER_BI, PUBLISHER, READER, Workspace


def test_the_setup_creates_everything_and_is_idempotent(workspace: Workspace):
    messages: list[str] = []
    workspace.set_up(messages=messages)
    synapse = workspace.synapse
    first = synapse.databases["midnight"].copy()
    assert messages == [
        "database.sql in master: 2 statements",
        "logins.dev.sql in master: 4 statements",
        "setup.sql in midnight: 6 statements",
        "grants.dev.sql in midnight: 41 statements",
    ]
    assert first.collation == "Latin1_General_100_BIN2_UTF8"
    assert first.sources == {"gold": (LOCATION, "midnight_gold")}
    assert first.schemas == {"dbo", "gold", "reporting", "midnight"}
    assert synapse.limits == {"weekly": 1}
    assert synapse.logins == {PUBLISHER, READER, POWER_BI, "midnight-engineers"}
    assert first.roles["midnight_publish"] == {PUBLISHER}
    assert first.roles["midnight_read_reporting"] == {POWER_BI}
    workspace.set_up()
    assert synapse.databases["midnight"] == first
    assert sum(synapse.requests[verb] for verb in ("BEGIN", "COMMIT", "ROLLBACK")) > 0  # check_setup only reads


def test_a_failed_statement_names_its_file_and_the_setup_can_be_repeated(workspace: Workspace):
    workspace.synapse.fail(8, "The operation timed out.")
    with pytest.raises(
        ServingError, match=r"setup\.sql in database 'midnight': Synapse refused .*The operation timed out"
    ):
        workspace.set_up()
    workspace.set_up()
    assert workspace.synapse.databases["midnight"].roles["midnight_read"] == {PUBLISHER, READER, "midnight-engineers"}


def test_a_data_source_of_another_lake_is_reported(ready_workspace: Workspace):
    with pytest.raises(
        ServingError, match=r"data source 'gold' is .*@midnightdevtest.* not .*@otheraccount.*DROP EXTERNAL"
    ):
        ready_workspace.set_up(account="otheraccount")


def test_a_database_with_another_collation_is_reported(workspace: Workspace):
    workspace.set_up()
    workspace.synapse.databases["midnight"].collation = "SQL_Latin1_General_CP1_CI_AS"
    with pytest.raises(ServingError, match=r"collation of the database 'midnight' is 'SQL_Latin1_General_CP1_CI_AS'"):
        workspace.set_up()


def test_the_setup_requires_an_administrator(ready_workspace: Workspace):
    ready_workspace.applications["admin"] = ready_workspace.applications[PUBLISHER]
    with pytest.raises(ServingError, match=r"database\.sql .*User does not have permission .*az login"):
        ready_workspace.set_up()


def test_an_invalid_value_is_rejected_before_anything_runs():
    with pytest.raises(ConfigurationError, match=r"storage_account: \"x'; DROP\" may contain only letters"):
        setup_scripts(REPOSITORY / "include", "dev", database="midnight", storage_account="x'; DROP", weekly_limit_tb=1)


def test_every_statement_of_the_files_is_run():
    for environment in ("dev", "prod"):
        scripts = setup_scripts(
            REPOSITORY / "include", environment, database="d", storage_account="a", weekly_limit_tb=2
        )
        folder = REPOSITORY / "include" / "sql" / "synapse"
        for script in scripts:
            text = (folder / script.file).read_text()
            assert len(script.statements) == text.count(";\n")
            assert "$(" not in "".join(script.statements)


def _run_command(workspace: Workspace) -> int:
    server = f"localhost,{workspace.synapse.port}"
    return main(environment="dev", server=server, account=ACCOUNT, database="midnight", weekly_limit_tb=5)


def test_the_command_signs_in_as_the_person_before_airflows_variables(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """``az`` is a script that prints what ``az account get-access-token`` does; AZURE_* are of Airflow."""
    token = workspace.cloud.entra.token(SYNAPSE, workspace.applications["admin"][0])
    answer = json.dumps({"accessToken": token, "expires_on": int(time.time()) + 3000, "tokenType": "Bearer"})
    az = tmp_path / "az"
    az.write_text(f"#!/bin/sh\necho '{answer}'\n")
    az.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert _run_command(workspace) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "✓ midnight on localhost is ready for the first run; `make doctor` checks Airflow's permissions"
    )
    assert workspace.synapse.databases["midnight"].roles["midnight_publish"] == {PUBLISHER}


def test_the_command_without_anybody_signed_in(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServingError, match=r"Login failed .* grants you \(az login\) access"):
        _run_command(workspace)

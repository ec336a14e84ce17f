"""``make doctor`` on Synapse: each failure has the server's own reason."""

from __future__ import annotations

import json
import sys

import mssql_python
import pytest

from cli.checks.synapse import check_synapse
from midnight.lake.paths import LakePaths
from midnight.settings import load_settings
from midnight.synapse.connection import choose_driver
from tests.fakes.synapse_workspace import ACCOUNT, PUBLISHER, Workspace
from tests.unit.conftest import SmallLake, sale

AZURE = {
    "MIDNIGHT_PROFILE": "azure",
    "MIDNIGHT_STORAGE_ACCOUNT": ACCOUNT,
    "MIDNIGHT_DATABRICKS_JOB_ID": "7",
}


@pytest.fixture
def doctor(ready_workspace: Workspace, small_lake: SmallLake, monkeypatch: pytest.MonkeyPatch):
    """Runs the check; returns (name, state) of each finding, and the text of the last finding with its hint."""
    monkeypatch.setattr("cli.checks.synapse.SECONDS", 3)
    monkeypatch.setattr(LakePaths, "in_account", classmethod(lambda cls, account: small_lake.paths))

    def run(who: str = PUBLISHER, database: str = "midnight", **fields):
        connection = ready_workspace.connection_uri(who) | fields
        monkeypatch.setenv("AIRFLOW_CONN_MIDNIGHT_SYNAPSE", json.dumps(connection))
        settings = load_settings(AZURE | {"MIDNIGHT_SYNAPSE_DATABASE": database})
        found = check_synapse(settings, "midnight_synapse")
        assert "canary" not in repr(found)
        return [(finding.name, finding.state) for finding in found], f"{found[-1].found} → {found[-1].hint}"

    return run


DRIVER = ("Synapse driver", "ok")


def test_a_complete_setup_before_the_first_publication(doctor, small_lake: SmallLake):
    small_lake.build("B1", [sale(1)])
    states, last = doctor()
    assert states == [DRIVER, ("Synapse", "ok"), ("Synapse lake", "ok")]
    assert last.startswith("gold can be read through _midnight/builds/")


def test_an_empty_lake_is_a_warning_before_the_first_run(doctor):
    states, last = doctor()
    assert states == [DRIVER, ("Synapse", "ok"), ("Synapse lake", "warn")]
    assert "nothing is published yet" in last
    assert "cannot be listed" in last


def test_a_published_view_that_cannot_be_read(doctor, ready_workspace: Workspace):
    from contextlib import closing

    from midnight.synapse.connection import connect

    with closing(connect(ready_workspace.server("admin"), autocommit=True)) as connection:
        connection.execute(
            "CREATE OR ALTER VIEW gold.gone AS SELECT a FROM OPENROWSET(BULK 'gone/', DATA_SOURCE = 'gold', "
            "FORMAT = 'DELTA') WITH (a INT) AS r"
        )
    states, last = doctor()
    assert states == [DRIVER, ("Synapse", "ok"), ("Synapse lake", "fail")]
    assert "gold.gone cannot be read: Content of directory" in last
    assert "Storage Blob Data Reader on gold" in last


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"who": "stranger"}, "Login failed for user '<token-identified principal>'. → run the setup"),
        ({"database": "nothing"}, 'Cannot open database "nothing" requested by the login'),
        ({"password": "wrong"}, "AADSTS7000215"),
        ({"host": "127.0.0.1"}, "check the host name, and that this machine trusts"),
        ({"port": 1}, "check host and port of connection 'midnight_synapse'"),
        ({"host": ""}, "has no host → write <workspace>"),
    ],
)
def test_a_failed_sign_in(doctor, given, found):
    states, last = doctor(**given)
    assert states == [DRIVER, ("Synapse", "fail")]
    assert found in last


def test_missing_rights_are_named(doctor, ready_workspace: Workspace):
    rights = ready_workspace.synapse.databases["midnight"].rights
    rights.remove(("GRANT", "CREATE VIEW", "", "", "midnight_publish"))
    rights.remove(("GRANT", "ALTER", "SCHEMA", "reporting", "midnight_publish"))
    states, last = doctor()
    assert states == [DRIVER, ("Synapse", "fail")]
    assert last.startswith("may not create views, change the schema reporting in 'midnight' → run make synapse")


def test_a_server_error_is_reported_verbatim(doctor, ready_workspace: Workspace):
    ready_workspace.synapse.fail(0, "This operation is paused.")
    states, last = doctor()
    assert states == [DRIVER, ("Synapse", "fail")]
    assert "This operation is paused." in last


def test_without_the_driver(doctor, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "mssql_python", None)
    states, last = doctor()
    assert states == [("Synapse driver", "fail")]
    assert "mssql-python does not load" in last


def test_the_check_changes_nothing(doctor, ready_workspace: Workspace, small_lake: SmallLake):
    small_lake.build("B1", [sale(1)])
    before = ready_workspace.synapse.databases["midnight"].copy()
    doctor()
    assert ready_workspace.synapse.databases["midnight"] == before
    assert {name.split()[0] for name in ready_workspace.synapse.requests} <= {"LOGIN", "BEGIN", "SELECT", "ROLLBACK"}


def test_the_full_driver_is_chosen_where_its_libraries_load(workspace: Workspace):
    name, missing = choose_driver()
    assert (name == "mssql-odbc") == bool(missing) or mssql_python.get_native_provider_info()["frozen"]

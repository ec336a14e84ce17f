"""Each fault of serving file and Airflow is provoked, and the doctor names it with its hint."""

from __future__ import annotations

import duckdb
import pytest

from cli.checks import airflow, engine
from cli.instance.folder import Instance
from midnight.settings import load_settings
from tests.unit.cli.commands.conftest import states


def test_the_file_that_readers_open(tmp_path):
    settings = load_settings({"MIDNIGHT_HOME": str(tmp_path)})
    assert states(engine.check_serving(settings)) == [("serving", "warn")]
    with duckdb.connect(str(settings.serving_database)) as connection:
        connection.execute("CREATE SCHEMA gold; CREATE VIEW gold.x AS SELECT 1 AS a")
    assert states(engine.check_serving(settings)) == [("serving", "ok")]
    settings.serving_database.write_bytes(b"not a database" * 1000)
    assert states(engine.check_serving(settings)) == [("serving", "fail")]


@pytest.mark.slow
def test_a_dag_that_does_not_import(tmp_path):
    (tmp_path / "broken.py").write_text("from airflow.sdk import DAG\nimport no_such_module\n")
    (found,) = airflow.import_dags(tmp_path)
    assert (found.state, "No module named 'no_such_module'" in found.found) == ("fail", True)


def test_services_that_ended_and_an_instance_that_was_never_made(tmp_path):
    instance = Instance(tmp_path / "home")
    instance.create()
    settings = load_settings({"MIDNIGHT_HOME": str(instance.home)})
    assert states(airflow.check_services(instance, settings, {})) == [("Airflow", "warn")]
    found = airflow.check_services(instance, settings, {"api-server": True, "scheduler": False})
    assert (states(found), "scheduler ended" in found[0].found) == ([("Airflow", "fail")], True)

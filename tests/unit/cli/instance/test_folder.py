"""The instance's folder, its ports, its connections, its processes, and what people are told."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time

import duckdb
import psutil
import pytest
from rich.console import Console

from cli.airflow.settings import airflow_settings
from cli.console.failures import task_error
from cli.console.summary import check_ledger, print_view
from cli.demo.start import DEMO_DESCRIPTION, uses_demo
from cli.instance import ports
from cli.instance.connections import read_connections, write_connection
from cli.instance.folder import Instance, InstanceError
from cli.instance.ports import choose_port, port_is_free
from cli.instance.processes import INSTANCE_VARIABLE, ProcessRecord, left_behind, members, start, stop_all
from midnight.configuration.pipeline import Pipeline
from midnight.errors import LedgerError
from midnight.lake.ledger import LedgerEntry
from tests.support.waiting import wait_for
from tools.bootstrap import uv_environment


@pytest.fixture
def instance(tmp_path):
    made = Instance(tmp_path / "home")
    made.create()
    return made


@pytest.fixture
def busy_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_secrets_are_made_once_and_only_their_owner_can_read_them(instance):
    before = instance.secrets
    instance.create()
    assert instance.secrets == before
    assert len(set(before.values())) == len(before)
    for path in (instance.home / "secrets.json", instance.connections):
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_folder_with_something_else_in_it_is_refused_and_never_removed(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    instance = Instance(tmp_path)
    with pytest.raises(InstanceError, match="MIDNIGHT_HOME"):
        instance.create()
    with pytest.raises(InstanceError, match="not removed"):
        instance.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_state_keeps_what_is_not_changed(instance):
    instance.update_state(ports={"airflow": 1})
    instance.update_state(processes={})
    assert instance.read_state() == {"ports": {"airflow": 1}, "processes": {}}


def test_two_commands_take_turns(instance):
    order = []

    def second():
        with instance.lock():
            order.append("second")

    with instance.lock():
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.5)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_who_waits_for_an_instance_that_is_removed_is_told(instance):
    messages = []

    def second():
        try:
            with instance.lock():
                messages.append("locked")
        except InstanceError as error:
            messages.append(str(error))

    with instance.lock():
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.5)
        instance.remove()
    thread.join(10)
    assert messages == [f"{instance.home} was removed by another command; hint: start again"]


def test_a_busy_default_port_is_passed_over(busy_port, monkeypatch):
    monkeypatch.setitem(ports.DEFAULT_PORTS, "airflow", busy_port)
    chosen = choose_port("airflow", remembered=None, is_ours=False, environment={})
    assert chosen > busy_port
    assert port_is_free(chosen)


def test_a_remembered_port_is_kept_when_it_is_ours_or_free(busy_port):
    assert choose_port("airflow", remembered=busy_port, is_ours=True, environment={}) == busy_port
    assert choose_port("airflow", remembered=busy_port, is_ours=False, environment={}) != busy_port


def test_a_busy_port_that_was_asked_for_is_refused_with_another_to_choose(busy_port):
    asked = {"MIDNIGHT_SOURCE_PORT": str(busy_port)}
    with pytest.raises(InstanceError, match=rf"port {busy_port} .*MIDNIGHT_SOURCE_PORT=\d+"):
        choose_port("source", remembered=None, is_ours=False, environment=asked)


@pytest.mark.parametrize("value", ["http", "80", "70000", "-1"])
def test_a_port_variable_that_is_no_port_is_refused(value):
    with pytest.raises(InstanceError, match="1024 to 65535"):
        choose_port("airflow", remembered=None, is_ours=False, environment={"MIDNIGHT_AIRFLOW_PORT": value})


def test_connections_keep_the_others_and_are_private(instance):
    write_connection(instance.connections, "mine", {"conn_type": "postgres", "password": "a: 'b\" ü"})
    write_connection(instance.connections, "other", {"conn_type": "postgres"})
    expected = {"mine": {"conn_type": "postgres", "password": "a: 'b\" ü"}, "other": {"conn_type": "postgres"}}
    assert read_connections(instance.connections) == expected
    assert instance.connections.stat().st_mode & 0o777 == 0o600


def test_a_broken_connections_file_is_named_without_its_content(instance):
    instance.connections.write_text("mine: {password: topsecret\n")
    with pytest.raises(InstanceError, match="line 2") as caught:
        read_connections(instance.connections)
    assert "topsecret" not in str(caught.value)


def pipeline(name, connection="midnight_source"):
    return Pipeline.model_validate({"source": {"name": name, "connection": connection}})


def test_the_demo_is_used_unless_the_connection_is_somebody_elses(instance):
    assert uses_demo(instance, pipeline("nycflights")) is True
    write_connection(instance.connections, "midnight_source", {"description": DEMO_DESCRIPTION})
    assert uses_demo(instance, pipeline("nycflights")) is True
    write_connection(instance.connections, "midnight_source", {"conn_type": "postgres", "host": "db.example"})
    assert uses_demo(instance, pipeline("nycflights")) is False
    assert uses_demo(instance, pipeline("shop")) is False


def test_an_own_source_without_a_connection_says_make_init(instance):
    with pytest.raises(InstanceError, match="make init"):
        uses_demo(instance, pipeline("shop", "shop_db"))


def sleeper(instance, tmp_path, code):
    environment = {**os.environ, INSTANCE_VARIABLE: instance.id}
    return start([sys.executable, "-c", code], environment=environment, log=tmp_path / "log")


def test_stopping_ends_children_that_left_the_session_and_ignore_sigterm(instance, tmp_path):
    ready = tmp_path / "ready"
    child = (
        "import pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"pathlib.Path({str(ready)!r}).touch(); time.sleep(60)"
    )
    code = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True)\n"
        "time.sleep(60)"
    )
    record = sleeper(instance, tmp_path, code)
    wait_for(ready.exists)
    assert len(members(instance.id)) == 2
    stop_all([record], instance.id, timeout_seconds=1)
    assert members(instance.id) == []


def test_what_a_killed_process_left_is_ended_though_it_lost_the_mark(instance, tmp_path):
    """Airflow's workers overwrite their environment."""
    code = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'], env={})"
    record = sleeper(instance, tmp_path, code)
    wait_for(lambda: len(left_behind([record])) == 1)
    os.kill(record.pid, 9)
    wait_for(lambda: record.find() is None)
    assert members(instance.id) == []
    assert len(left_behind([record])) == 1
    stop_all([record], instance.id, timeout_seconds=1)
    assert left_behind([record]) == []


def test_a_process_id_that_was_used_again_is_not_ended(instance, tmp_path):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        record = ProcessRecord(other.pid, psutil.Process(other.pid).create_time() - 3600)
        assert record.find() is None
        stop_all([record], instance.id, timeout_seconds=1)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_the_error_of_a_failed_task_is_the_exception_of_its_last_try(tmp_path):
    folder = tmp_path / "dag_id=midnight_pipeline" / "run_id=r" / "task_id=silver"
    folder.mkdir(parents=True)
    for attempt, text in ((2, "first"), (10, "weather: column 'temp'")):
        lines = [
            {"level": "info", "event": "started"},
            {"level": "error", "event": "Task failed", "error_detail": [{"exc_type": "CheckError", "exc_value": text}]},
        ]
        (folder / f"attempt={attempt}.log").write_text("no json\n" + "\n".join(map(json.dumps, lines)) + "\n")
    assert task_error(tmp_path, "r", "silver") == ("CheckError: weather: column 'temp'", folder / "attempt=10.log")
    assert task_error(tmp_path, "r", "gold") is None


def entry(**counts):
    return LedgerEntry(
        batch_id="b", run_id="r", attempt_at="2013-10-01T00:00:00Z", table="flights", source_table="public.flights",
        status="applied", **counts,
    )  # fmt: skip


def test_a_ledger_that_does_not_add_up_or_lacks_a_table_is_an_error():
    check_ledger([entry(rows_in=1, inserted=1, silver_after=1)], ["flights"])
    with pytest.raises(LedgerError, match="2 rows, but 1 are accounted for"):
        check_ledger([entry(rows_in=2, inserted=1, silver_after=1)], ["flights"])
    with pytest.raises(LedgerError, match="planes: the ledger has no entry"):
        check_ledger([entry(rows_in=1, inserted=1, silver_after=1)], ["flights", "planes"])


def test_uv_gets_what_is_configured_for_pip_and_its_own_settings_win(monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://packages.example/simple")
    monkeypatch.setenv("PIP_CERT", "/etc/ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/other.pem")
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    environment = uv_environment(sys.executable)
    assert environment["UV_DEFAULT_INDEX"] == "https://packages.example/simple"
    assert environment["SSL_CERT_FILE"] == "/etc/other.pem"


def test_pips_configuration_file_is_read_and_its_install_section_wins(monkeypatch, tmp_path):
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nindex-url = https://first.example/simple\ncert = /etc/ca.pem\n"
                    "[install]\nindex-url = https://second.example/simple\n")  # fmt: skip
    for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "PIP_CERT", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    environment = uv_environment(sys.executable)
    assert environment["UV_DEFAULT_INDEX"] == "https://second.example/simple"
    assert environment["SSL_CERT_FILE"] == "/etc/ca.pem"


def test_values_that_look_like_markup_are_shown_as_they_are(tmp_path, capsys):
    with duckdb.connect(str(tmp_path / "serving.duckdb")) as connection:
        connection.execute("CREATE SCHEMA gold; CREATE TABLE gold.posts AS SELECT '[b]bold[/url]' AS text, NULL AS x")
    print_view(Console(width=100), tmp_path / "serving.duckdb")
    assert "[b]bold[/url]" in capsys.readouterr().out


def test_a_task_waits_for_an_api_server_that_starts_after_the_scheduler(instance, tmp_path):
    """It asks again after 1 s at least; Airflow's own five times were not enough after a restart in mid-run."""
    settings = airflow_settings(instance, 8080, tmp_path / "dags")
    assert int(settings["workers__execution_api_retries"]) >= 15
    assert float(settings["workers__execution_api_retry_wait_max"]) <= 10

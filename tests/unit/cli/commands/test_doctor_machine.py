"""Each fault of a machine is provoked, and the doctor names it with its hint."""

from __future__ import annotations

import shutil
import socket
from types import SimpleNamespace

import pytest

from cli.checks import engine, machine
from cli.instance.folder import Instance
from midnight.settings import REPOSITORY, load_settings
from tests.unit.cli.commands.conftest import states


def test_python_versions():
    versions = [(3, 10, 1), (3, 11, 0), (3, 12, 9), (3, 14, 0)]
    assert [machine.check_python(v)[0].state for v in versions] == ["fail", "ok", "ok", "warn"]


def test_packages_that_are_not_those_of_the_lock(tmp_path):
    lock = tmp_path / "requirements.txt"
    lock.write_text(
        "# comment\nrich==0.0.1 \\\n    --hash=sha256:00\nno-such-package-here==1.0 \\\n    --hash=sha256:00\n"
        "colorama==0.1 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n"
    )
    (found,) = machine.check_packages(lock)
    assert (
        found.state,
        "(wanted 0.0.1)" in found.found,
        "no-such-package-here is missing" in found.found,
        "colorama" in found.found,
    ) == ("fail", True, True, False)


def test_the_real_lock_can_be_read():
    assert machine.read_lock(REPOSITORY / "requirements.txt")["apache-airflow"] == "3.3.2"


def test_a_folder_that_cannot_be_written_or_is_not_ours(tmp_path):
    (tmp_path / "file").write_text("")
    settings = load_settings({"MIDNIGHT_HOME": str(tmp_path / "file" / "home")})
    assert ("instance folder", "fail") in states(machine.check_folders(settings))
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("")
    found = machine.check_folders(load_settings({"MIDNIGHT_HOME": str(foreign)}))
    assert "contains other files" in " ".join(finding.found for finding in found)
    assert [path.name for path in foreign.iterdir()] == ["thesis.txt"]


def test_a_lake_that_the_engine_cannot_use(tmp_path):
    found = machine.check_folders(load_settings({"MIDNIGHT_HOME": str(tmp_path / "my home")}))
    assert ("lake folder", "fail") in states(found)
    assert "set MIDNIGHT_LAKE" in " ".join(finding.hint for finding in found)


@pytest.mark.parametrize(("free", "state"), [(1e8, "fail"), (3e9, "warn"), (9e9, "ok")])
def test_disk_space(tmp_path, monkeypatch, free, state):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    found = machine.check_folders(load_settings({"MIDNIGHT_HOME": str(tmp_path / "home")}))
    assert states(found)[-1] == ("disk space", state)


def test_a_port_that_somebody_else_has(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        environment = {"MIDNIGHT_AIRFLOW_PORT": str(port)}
        found = machine.check_ports(Instance(tmp_path / "home"), {}, environment)
    assert states(found) == [("port of airflow", "fail"), ("port of source", "ok")]
    assert f"port {port} (MIDNIGHT_AIRFLOW_PORT) is in use" in found[0].found


@pytest.mark.slow
def test_sail_starts():
    assert states(engine.check_engine(load_settings({}))) == [("engine sail", "ok")]


def test_java_that_is_missing_or_old(tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert states(engine.check_java()) == [("Java", "fail")]
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_392\"' >&2\n")
    java.chmod(0o755)
    (found,) = engine.check_java()
    assert (found.state, found.found) == ("fail", f"{java} is version 8")
    assert states(engine.check_engine(load_settings({"MIDNIGHT_ENGINE": "spark"}))) == [("Java", "fail")]

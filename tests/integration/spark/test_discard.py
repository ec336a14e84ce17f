"""Temporary tables of a job are removed at its end, also on Databricks; a failure does not stop the job."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from spark_jobs.runtime.delta_tables import discard

STAGING = "abfss://silver@lake.dfs.core.windows.net/_midnight/staging"


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """Calls of ``dbutils.fs.rm`` on a Databricks runtime."""
    calls: list[tuple[str, bool]] = []

    def rm(path: str, recurse: bool) -> None:
        calls.append((path, recurse))
        if path.endswith("refused"):
            raise OSError("403 This request is not authorized\nat com.databricks")

    runtime = ModuleType("databricks.sdk.runtime")
    runtime.dbutils = SimpleNamespace(fs=SimpleNamespace(rm=rm))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "databricks.sdk.runtime", runtime)
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "18.1")
    return calls


def test_databricks_removes_a_folder_of_the_lake(removed, capsys):
    discard(STAGING)
    assert (removed, capsys.readouterr().out) == ([(STAGING, True)], "")


def test_a_folder_that_cannot_be_removed_is_logged(removed, capsys):
    discard(f"{STAGING}/refused")
    expected = f"could not remove {STAGING}/refused, the next run will try again: 403 This request is not authorized\n"
    assert capsys.readouterr().out == expected


def test_a_folder_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.delenv("DATABRICKS_RUNTIME_VERSION", raising=False)
    (tmp_path / "staging" / "t").mkdir(parents=True)
    discard(str(tmp_path / "staging"))
    discard(str(tmp_path / "staging"))  # already removed
    assert list(tmp_path.iterdir()) == []

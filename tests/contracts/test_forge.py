"""Workflows and forms of the forge: their schemas accept them, and they run targets of the Makefile."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from midnight.settings import REPOSITORY
from tools.bootstrap import NEWEST, OLDEST

FORGE = REPOSITORY / ".github"
WORKFLOWS = sorted((FORGE / "workflows").glob("*.yml"))
FORMS = sorted(set((FORGE / "ISSUE_TEMPLATE").glob("*.yml")) - {FORGE / "ISSUE_TEMPLATE" / "config.yml"})


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text())
    return loaded


def commands(workflow: dict[str, Any]) -> list[str]:
    """Commands of all steps, once for each target of the matrix."""
    result = []
    for job in workflow["jobs"].values():
        matrix = job.get("strategy", {}).get("matrix", {})
        targets = [*matrix.get("target", []), *(i["target"] for i in matrix.get("include", []))] or [""]
        runs = [step["run"] for step in job.get("steps", []) if "run" in step]
        result += [run.replace("${{ matrix.target }}", target) for run in runs for target in targets]
    return result


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-workflows", WORKFLOWS),
        ("vendor.dependabot", [FORGE / "dependabot.yml"]),
        ("vendor.github-issue-forms", FORMS),
        ("vendor.github-issue-config", [FORGE / "ISSUE_TEMPLATE" / "config.yml"]),
    ],
)
def test_files_match_their_schema(schema, files):
    assert files
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_targets_that_exist(path):
    targets = set(re.findall(r"^([a-z][a-z-]*):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    used = {target for run in commands(load(path)) for target in re.findall(r"\bmake ([a-z-]+)", run)}
    assert used - targets == set()


def test_ci_runs_the_script_on_both_versions_of_python():
    workflow = load(FORGE / "workflows" / "ci.yml")
    script = {line for line in (REPOSITORY / ".ci" / "run").read_text().splitlines() if line.startswith("make ")}
    assert {"make lint", "make test"} <= script
    # .ci/run has no coverage: it would run the tests twice.
    used = {run for run in commands(workflow) if run.startswith("make ")}
    # … and the lock has one version of Airflow.
    used = {run for run in used if not run.startswith("make test-airflow ")}
    assert used - {"make coverage"} == script - {"make docs", "make coverage"}
    pythons = workflow["jobs"]["make"]["strategy"]["matrix"]["python"]
    assert pythons == [".".join(map(str, version)) for version in (OLDEST, NEWEST)]


@pytest.mark.parametrize("found", [True, False])
def test_the_script_installs_a_browser_or_says_that_it_cannot(found, tmp_path):
    browser = tmp_path / "browser"
    make = 'echo "make $*: ${MIDNIGHT_REQUIRE_BROWSER:-not required}"'
    for name, line in (("make", make), ("id", "echo 0"), ("apt-get", 'echo "apt-get $*"'), ("browser", "exit 0")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    variables = {name: value for name, value in os.environ.items() if name != "MIDNIGHT_REQUIRE_BROWSER"}
    variables |= {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "MIDNIGHT_TEST_BROWSER": str(browser) if found else "none",
    }
    done = subprocess.run([".ci/run"], cwd=REPOSITORY, env=variables, capture_output=True, text=True, check=True)
    assert ("make test: 1" in done.stdout) == found
    assert ("make test: not required" in done.stdout) == (not found)
    assert ("apt-get update" in done.stdout) == (not found)
    assert done.stderr.count("WARNING: the tests in a browser are skipped") == (0 if found else 2)


def test_the_pages_are_built_for_every_pull_request():
    workflow = load(FORGE / "workflows" / "docs.yml")
    assert "make docs" in commands(workflow)
    assert "pull_request" in workflow[True]  # YAML 1.1 reads the key `on` as true


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_have_timeouts_pinned_actions_and_read_permission(path):
    workflow = load(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert "concurrency" in workflow
    for job in workflow["jobs"].values():
        if job.get("uses", "").startswith("./"):
            continue
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step.get("uses", "x@" + "0" * 40)), step

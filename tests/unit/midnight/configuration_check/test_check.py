"""The check of all files: problems of every kind of file are reported at once, with file and line."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli.checks.configuration import check_files
from midnight.configuration_check.check import check_configuration, check_run
from midnight.configuration_check.report import counted
from midnight.errors import NON_RETRYABLE_ERRORS, ConfigurationError
from midnight.settings import REPOSITORY, Settings
from midnight_airflow.operators.ingest import IngestOperator
from midnight_airflow.operators.plan_batch import PlanBatchOperator

VIEW = "CREATE OR ALTER VIEW reporting.{name} AS\nSELECT\n    {column}\nFROM {table} AS t\n"

# file, text, its replacement, and the beginning of the expected message
WRONG = [
    (
        "pipeline.yml",
        "timeout_minutes: 240",
        "timeout_minutes: long",
        "timeout_minutes: 'long' is not a valid integer",
    ),
    ("tables/public.planes.yml", "silver: planes", "silver: planes\nsilvr: planes", "silvr: is not a known field"),
    ("tables/public.airlines.yml", "key: [carrier]", "key: [carier]", "key: 'carier' is not a column of this table"),
    ("sql/gold/dim_airline.yml", "key: [airline_key]", "key: [airline]", "key: 'airline' is not among the columns"),
    ("sql/gold/dim_airport.sql", "name AS airport_name", "nam AS airport_name", "column 'nam' does not exist"),
    ("sql/gold/mart_route.sql", "FROM gold.fact_flight", "FROM gold.fact_flights", "gold.fact_flights is unknown"),
    ("sql/serving/calendar.sql", "FROM gold.dim_date", "FROM gold.dim_dates", "gold.dim_dates"),
    (
        "report.yml",
        "max(flight_date)",
        "max(flight_day)",
        'charts[1].insight: Binder Error: Referenced column "flight_day"',
    ),
    (
        "report.yml",
        "FROM reporting.route_performance",
        "FROM reporting.routes",
        "'reporting.routes'",
    ),
    (
        "report.yml",
        "          flight_date,\n",
        "          flight_dat,\n",
        'figures[1].sql: Binder Error: Referenced column "f',
    ),
    ("report.yml", "value: flights", "value: flight", "figures[0].value: 'flight' is not a column of the query"),
    ("report.yml", "y: [last_30_days", "y: [last_30", "charts[1].y: 'last_30' is not a column of the query"),
    (
        "powerbi/model.yml",
        "hide: [airline_key]",
        "hide: [airline]",
        "tables.Airlines.hide: 'airline' is not a column of",
    ),
    ("powerbi/model.yml", "mean: arrival_delay_minutes", "mean: delays", "mean: 'delays' is not a column of"),
    ("powerbi/model.yml", '["[Mean arrival delay]"]', '["[Mean arrival]"]', "[Mean arrival] does not exist"),
    (
        "powerbi/model.yml",
        "view: reporting.weather_effect",
        "view: reporting.weather",
        "'reporting.weather' does not exist",
    ),
]


@pytest.fixture
def include(tmp_path):
    folder = tmp_path / "include"
    shutil.copytree(REPOSITORY / "include", folder)
    return folder


def spoil(folder: Path) -> list[str]:
    """Break every kind of file; returns the expected problems as ``file:line`` and the beginning of the message."""
    expected = []
    for name, old, new, message in WRONG:
        path = folder / name
        text = path.read_text()
        assert text.count(old) >= 1, (name, old)
        position = text.index(old)
        path.write_text(text[:position] + new + text[position + len(old) :])
        shift = new.index("silvr") if "silvr" in new else 0
        expected.append((name, position + shift, message))
    lines = []
    for name, position, message in expected:
        # No replacement changes the number of lines before the next one of its file.
        lines.append((name, (folder / name).read_text().count("\n", 0, position) + 1, message))
    return [f"{name}:{line}: … {message}" for name, line, message in lines]


def missing(expected: list[str], found: list[str]) -> list[str]:
    """Expected problems that were not found at their line or, for a list or a block, up to two lines before."""
    left = []
    for entry in expected:
        place, _, message = entry.partition(": … ")
        name, _, line = place.partition(":")
        near = {f"{name}:{int(line) + shift}: " for shift in (-2, -1, 0)}
        if not any(message in problem and problem.startswith(tuple(near)) for problem in found):
            left.append(entry)
    return left


def test_problems_of_every_kind_of_file_are_reported_at_once(include):
    expected = spoil(include)
    report = check_configuration(Settings(config=include))
    found = [str(problem) for problem in report.problems]
    assert missing(expected, found) == [], "\n".join(found)
    assert [problem for problem in found if not re.match(r"[\w/.]+:\d+: ", problem)] == []
    files = [problem.where for problem in report.problems]
    assert len([name for name, _ in itertools.groupby(files)]) == len(set(files))  # each file in one place
    for name in set(files):
        lines = [problem.line or 0 for problem in report.problems if problem.where == name]
        assert lines == sorted(lines)


@pytest.mark.slow
def test_doctor_check_and_the_first_tasks_report_the_same_problems(include, tmp_path, monkeypatch):
    spoil(include)
    settings = Settings(config=include, home=tmp_path / "home")
    monkeypatch.setenv("MIDNIGHT_CONFIG", str(include))
    monkeypatch.setenv("MIDNIGHT_HOME", str(settings.home))
    problems = [str(problem) for problem in check_configuration(settings).problems]

    _, findings = check_files(settings)
    assert [finding.found for finding in findings if finding.state == "fail"] == problems

    done = run_check("--format", "json")
    reported = json.loads(done.stdout)["problems"]
    assert (done.returncode, len(reported)) == (1, len(problems))
    assert [(p["file"], p["line"], p["message"]) for p in reported] == [
        (str(include / p.where), p.line, p.message) for p in check_configuration(settings).problems
    ]
    text = run_check()
    assert (text.returncode, text.stdout.splitlines()[-1]) == (1, f"✗ {len(problems)} problems in 9 files")
    assert text.stdout.splitlines()[:-1] == [f"{include}/{problem}" for problem in problems]

    for task in first_tasks():
        with pytest.raises(ConfigurationError) as caught:
            task.execute(
                {
                    "params": {},
                    "run_id": "manual__1",
                    "dag": SimpleNamespace(params={}),
                    "dag_run": SimpleNamespace(conf={}),
                }
            )
        assert [str(problem) for problem in caught.value.problems] == problems
        assert isinstance(caught.value, NON_RETRYABLE_ERRORS)  # Airflow does not retry the task


def first_tasks():
    """The first task of a run and of a rebuild."""
    ingest = IngestOperator(task_id="postgres_to_bronze_main", group="main", tables=[], ingest_with="operator")
    return [ingest, PlanBatchOperator(task_id="plan_batch", tables=[], rebuild=True)]


def run_check(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", "check", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_demo_has_no_problem_and_its_files_are_counted(monkeypatch):
    report = check_configuration(Settings())
    assert (report.problems, report.warnings) == ((), ())
    done = run_check()
    assert done.returncode == 0
    assert report.counts["tables"] == 5
    *refreshes, last = done.stdout.splitlines()
    assert last.startswith(f"✓ {counted(report.counts)}: no problem found  ")
    assert refreshes == [plan.reason for plan in report.refreshes.values()]
    assert "gold.fact_flight is refreshed by flight_key (from silver.flights)" in refreshes
    assert done.stderr == ""
    found = json.loads(run_check("--json").stdout)["refresh"]
    assert {name: value["kind"] for name, value in found.items() if value["kind"] == "full"} == {
        "dim_date": "full",
        "mart_weather_effect": "full",
    }
    assert found["mart_route"] == {
        "kind": "key",
        "key": ["origin_airport_key", "destination_code"],
        "driving": ["gold.fact_flight"],
        "reason": "gold.mart_route is refreshed by origin_airport_key, destination_code (from gold.fact_flight)",
        "full_when_changed": {},
    }


def test_a_refresh_that_is_not_possible_is_reported_with_its_line(include):
    for name in ("dim_date", "dim_airline"):
        contract = include / "sql" / "gold" / f"{name}.yml"
        contract.write_text(contract.read_text().replace("key: [", "refresh: key\nkey: ["))
    report = check_configuration(Settings(config=include))
    assert [str(problem) for problem in report.problems] == [
        "sql/gold/dim_date.yml:3: refresh: 'key' is not possible: its key column date_key is computed by explode; "
        "hint: remove it, and the model is built whole when an input changes"
    ]
    assert report.refreshes == {}


def test_files_that_depend_on_an_unreadable_file_are_not_reported(include):
    (include / "tables" / "public.planes.yml").write_text("schema: [")
    (include / "sql" / "gold" / "dim_date.yml").write_text("columns: [")
    found = {problem.where for problem in check_configuration(Settings(config=include)).problems}
    assert found == {"tables/public.planes.yml", "sql/gold/dim_date.yml"}


def test_views_are_checked_against_a_contract_whose_columns_are_valid(include):
    contract = include / "sql" / "gold" / "dim_airline.yml"
    contract.write_text(contract.read_text().replace("key:", "kee:"))
    (include / "sql" / "serving" / "x.sql").write_text(
        VIEW.format(name="x", column="t.airline_nam", table="gold.dim_airline")
    )
    (include / "sql" / "serving" / "y.sql").write_text(
        VIEW.format(name="y", column="t.airline_name", table="gold.dim_airline")
    )
    found = {problem.where for problem in check_configuration(Settings(config=include)).problems}
    assert found == {"sql/gold/dim_airline.yml", "sql/serving/x.sql"}


def test_a_column_that_the_table_no_longer_has_is_reported_in_the_models(include):
    table = include / "tables" / "public.planes.yml"
    table.write_text(
        table.read_text().replace("- name: manufacturer\n", "- name: maker\n").replace("key: [", "key: [no")
    )
    found = [str(problem) for problem in check_configuration(Settings(config=include)).problems]
    assert [problem for problem in found if "key: 'notailnum' is not a column of this table" in problem]
    lines = [problem for problem in found if "column 'manufacturer' does not exist" in problem]
    assert lines[0].startswith("sql/gold/dim_aircraft.sql:8: ")


@pytest.mark.slow
def test_invalid_variables_are_reported_as_problems(monkeypatch):
    monkeypatch.setenv("MIDNIGHT_ENGINE", "flink")
    done = run_check("--json")
    (problem,) = json.loads(done.stdout)["problems"]
    assert (done.returncode, problem["file"], problem["field"]) == (1, "environment", "MIDNIGHT_ENGINE")


def test_the_access_matrix_is_checked(tmp_path):
    access = tmp_path / "infra" / "access.yml"
    access.parent.mkdir()
    text = (REPOSITORY / "infra" / "access.yml").read_text()
    access.write_text(text.replace("principal: readers", "principal: reders", 1))
    line = access.read_text().partition("principal: reders")[0].count("\n") + 1
    (problem, *_) = [p for p in check_configuration(Settings(), access).problems if "reders" in p.message]
    assert (problem.where, problem.line) == ("infra/access.yml", line)


def test_stale_generated_files_are_a_warning(include):
    (include / "powerbi" / "Midnight.SemanticModel" / "definition" / "model.tmdl").write_text("old")
    (include / "powerbi" / "Midnight.Report" / "more.json").write_text("{}")
    (include / "adf" / "pipeline" / "midnight_copy.json").write_text("{}")
    report = check_configuration(Settings(config=include))
    assert report.problems == ()
    assert [str(warning) for warning in report.warnings] == [
        "powerbi/Midnight.Report/more.json: is stale (one of 2 stale files in powerbi/); hint: run python -m "
        "tools.generated_files",
        "adf/pipeline/midnight_copy.json: is stale; hint: run python -m tools.generated_files",
    ]


def test_report_power_bi_and_data_factory_are_optional(include):
    for name in ("powerbi", "adf", "sql/serving"):
        shutil.rmtree(include / name)
    (include / "report.yml").unlink()
    report = check_configuration(Settings(config=include), access=include / "none.yml")
    assert (report.problems, report.warnings) == ((), ())
    assert report.counts == {"tables": 5, "gold models": 8, "reporting views": 0, "report queries": 0}


def test_an_unknown_table_of_a_run_gets_a_hint(include):
    with pytest.raises(
        ConfigurationError, match=r"tables: public.flight: is not configured; hint: did you mean 'public.flights'\?"
    ):
        check_run(Settings(config=include), ["public.flight"])


def test_a_text_of_the_report_is_one_value_and_a_day_is_a_date(include):
    (include / "report.yml").write_text(
        "headline: SELECT 1 AS a, 2 AS b\n"
        "figures:\n  - {title: A, sql: 'SELECT 20130101 AS day, 1 AS v', day: day, value: v}\n"
        "charts:\n  - {title: B, kind: line, x: day, y: [v], mean_days: 7, insight: SELECT nothing, "
        "sql: \"SELECT '2013' AS day, 1 AS v\"}\n"
    )
    problems = [str(problem) for problem in check_configuration(Settings(config=include)).problems]
    for message in (
        "report.yml:1: headline: returns 2 columns (['a', 'b']); hint: a text is one value",
        "report.yml:3: figures[0].day: 'day' is INTEGER, not a date; hint: CAST(day AS DATE)",
        "report.yml:5: charts[0].x: 'day' is VARCHAR, not a date; hint: CAST(day AS DATE)",
        'report.yml:5: charts[0].insight: Binder Error: Referenced column "nothing"',
    ):
        assert [problem for problem in problems if problem.startswith(message)], (message, problems)

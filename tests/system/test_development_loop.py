"""`make check`, `build`, `publish` and `query` on an instance that has run once."""

from __future__ import annotations

import json

import pytest

from midnight.silver_to_gold.builds import read_builds

pytestmark = [pytest.mark.airflow, pytest.mark.slow]


def test_a_changed_model_is_built_published_and_queried_without_a_run(home, first_run):
    model = home.settings.config / "sql" / "gold" / "mart_route.sql"
    text = model.read_text()
    before = read_builds(home.settings.paths.gold_builds)
    sql = "SELECT sum(distance_miles)::BIGINT AS miles, count(*) AS routes FROM gold.mart_route"
    (old,) = json.loads(home.run("query", SQL=sql, FORMAT="json").stdout)
    try:
        model.write_text(text.replace("min(distance_miles) AS", "min(distance_miles) + 1000 AS"))
        done = home.run("check")
        assert (done.returncode, done.stderr) == (0, "")

        done = home.run("build", MODEL="mart_route")
        assert done.returncode == 0, done.stdout + done.stderr
        rows = {line.split()[0]: line.split()[1:3] for line in done.stdout.splitlines() if line.startswith(("m", "f"))}
        assert rows["fact_flight"][1] == "unchanged"
        assert rows["mart_weather_effect"][1] == "not"  # built
        assert json.loads(home.run("query", SQL=sql, FORMAT="json").stdout) == [old]  # nothing is published

        done = home.run("publish")
        assert done.returncode == 0, done.stdout + done.stderr
        (new,) = json.loads(home.run("query", SQL=sql, FORMAT="json").stdout)
        assert new == {"miles": old["miles"] + 1000 * old["routes"], "routes": old["routes"]}
        assert f"{new['routes']:,}" == rows["mart_route"][0]
        assert read_builds(home.settings.paths.gold_builds) == before
    finally:
        model.write_text(text)  # what was published lasts until the next run


def test_what_is_wrong_ends_with_one_message(home, first_run):
    done = home.run("build", MODEL="mart_rout")
    assert (done.returncode, done.stdout) == (1, "")
    assert "'mart_rout' is not a gold model; hint: did you mean 'mart_route'?" in done.stderr
    done = home.run("query", SQL="SELECT nothing FROM reporting.flight")
    assert (done.returncode, done.stdout) == (1, "")
    assert 'Referenced column "nothing" not found' in done.stderr

"""The page of the morning: what it says first, and what it never says."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from midnight.report.attention import things_to_look_at
from midnight.report.health import health_rows
from midnight.report.run_history import RunHistory, RunTask
from midnight.report.status_page import StatusPage, render_status_page
from tests.support import airflow_runs as runs
from tests.support import summaries as given
from tests.support.html_page import Page

GOOD = runs.history(runs.airflow_run())


def rendered(summary=None, history=GOOD, *, now=runs.NOW, **around) -> StatusPage:
    return render_status_page(summary, history, replace(runs.SURROUNDINGS, **around), now)


def page(*arguments, **options) -> Page:
    return Page(rendered(*arguments, **options).html)


def words(shown: Page) -> str:
    return " ".join(shown.words.split())


def classes(shown: Page) -> set[str]:
    return {name for _, attributes in shown.tags for name in str(attributes.get("class") or "").split()}


def test_a_quiet_day_is_one_line():
    shown = page(given.quiet())
    assert "✓ Published at 00:04. Readers see data up to Mon 30 Nov 00:00 (7 h old)." in words(shown)
    assert "All 277,854 rows are accounted for. Next run: Tue 1 Dec 00:00. Nothing unusual." in words(shown)
    assert "Mon 30 Nov 2026, 07:02 New York" in words(shown)
    assert {"good"} == classes(shown) & {"good", "bad"}


def test_what_is_unusual_is_listed_and_its_tables_come_first():
    shown = page(given.eventful())
    assert "4 things to look at:" in words(shown)
    for text in (
        "weather: new column wind_gust_kmh flows to silver",
        "planes: 2 new rows, usually 0 to 1",
        "1 new row in quarantine (airports)",
        "flights: 16.9% of rows fail “tailnum is one of planes.tailnum” (+0.1 points)",
    ):
        assert f"▲ {text}" in words(shown)
    assert [row.name for row in health_rows(given.eventful())] == [
        "planes",
        "airports",
        "weather",
        "flights",
        "airlines",
    ]
    row = shown.row("flights")
    assert row == ["flights", "7 h", "253,443", "965", "40", "5", "1 (0)", "42,866 16.9% +186 ▲", "2/4"]
    assert shown.row("airports")[6] == "3 (+1) ▲"
    assert shown.row("airlines")[3:] == ["\N{EN DASH}"] * 6


def test_quarantine_names_key_value_owner_age_and_how_to_fix_it():
    row = next(row for row in page(given.eventful()).cells if "lon is between" in " ".join(row))
    texts = [" ".join(cell.split()) for cell in row]
    assert texts[0] == "airports"
    assert "Airports of the United States." in texts[1]
    assert "Owner: network-planning" in texts[1]
    assert texts[2:4] == ["3+1 new", "Wed 18 Nov12 days"]
    assert texts[4] == 'faa="MYF" lon = -11.713 new faa="DVT" lon = 112.08'
    assert texts[5].startswith("Correct lon in public.airports")


def test_a_failed_run_says_why_what_to_do_and_what_readers_have_and_nothing_is_green():
    shown = page(runs.before_the_failure(), runs.failed_history())
    top = words(shown)
    assert "✗ Not published. public.weather has no column 'pressure' (the source has 'pressure_hpa')." in top
    assert "Readers still see data up to Sun 29 Nov 00:00 (31 h old), published Sun 29 Nov 00:0" in top
    assert "Do: Correct include/tables/public.weather.yml. Then start a run." in top
    assert "midnight airflow dags trigger midnight_pipeline Copy" in top
    assert "ingest.main · Log · try 1 of 1, will not retry · since 00:04 (6 h)" in top
    assert ("a", "../dags/midnight_pipeline/runs/run0/tasks/ingest.main") in [(t, a.get("href")) for t, a in shown.tags]
    assert "good" not in classes(shown)
    assert "accounted for" not in top
    assert "Everything below is of the run of Sun 29 Nov 00:00, which readers see." in top


def test_the_failed_task_is_cleared_where_that_helps():
    message = runs.MESSAGE.replace("StoppedTablesError", "SourceError")
    top = words(page(runs.before_the_failure(), runs.failed_history(message)))
    assert "Do: Correct include/tables/public.weather.yml. Then clear the failed task." in top
    day = "2026-11-30T05:00:00+00:00"
    assert f"midnight airflow tasks clear midnight_pipeline -s '{day}' -e '{day}' --only-failed --yes Copy" in top


def test_a_failed_try_that_waits_for_its_retry_looks_like_trouble():
    shown = page(runs.before_the_failure(), runs.failed_history(state="up_for_retry", attempts=3))
    assert "✗ Not published yet. public.weather has no column" in words(shown)
    assert "try 1 of 3, Airflow tries again" in words(shown)
    assert "good" not in classes(shown)


def test_while_the_last_task_runs_the_page_says_that_the_run_is_published():
    task = RunTask("report.refresh_report", state="running")
    active = runs.airflow_run(0, "running", published_at=given.DUE + timedelta(minutes=1), tasks=(task,))
    top = words(page(given.quiet(), runs.history(active)))
    assert "✓ Published at 00:01." in top
    assert "The last tasks of the run are still in progress: report.refresh_report." in top
    assert "still see" not in top


def test_a_run_without_some_tables_names_them():
    task = RunTask("check_stopped_tables", runs.MESSAGE, "failed", 1, 1)
    run = runs.airflow_run(0, "failed", published_at=given.DUE, tasks=(task,))
    shown = page(given.stopped(), runs.history(run))
    assert "✗ Published without some tables. public.weather has no column 'pressure'" in words(shown)
    assert "midnight airflow dags trigger midnight_pipeline" in words(shown)
    assert shown.row("weather")[0] == "weather not loaded"
    assert "good" not in classes(shown)


@pytest.mark.parametrize(
    ("history", "around", "expected"),
    [
        (RunHistory(), {"publish_by": None}, "● No run has been published yet."),
        (runs.history(runs.airflow_run(0, "failed")), {}, "✗ Not published. No task failed: the run exceeded its"),
        (replace(GOOD, paused=True), {}, "● The DAG is paused. No run starts. "),
        (
            replace(GOOD, next_due=given.DUE + timedelta(hours=1)),
            {},
            "✗ No run has started since 01:00, when one was due.",
        ),
        (runs.history(runs.airflow_run(0, "queued")), {"publish_by": None}, "● A run is queued since 00:00."),
        (runs.history(runs.airflow_run(0, "running")), {}, "✗ Not published by 07:00."),
        (
            runs.history(runs.airflow_run(0, published_at=None)),
            {"publish_by": None},
            "✓ Published at Sun 29 Nov 00:04.",
        ),
    ],
)
def test_other_states(history, around, expected):
    assert expected in words(page(None, history, **around))


def test_the_file_without_airflow_says_what_the_summary_says_and_when_it_is_old():
    shown = page(given.stopped(), RunHistory(), from_airflow=False)
    assert "✗ Published without some tables. weather: public.weather has no column" in words(shown)
    late = next(attributes for _, attributes in shown.tags if attributes.get("id") == "late")
    assert late["data-due"] == runs.SURROUNDINGS.next_due.isoformat()
    assert "hidden" in late


def test_the_first_run_compares_with_nothing():
    shown = page(given.first(), RunHistory((runs.airflow_run(),)))
    assert "Last 1 run" in words(shown)
    assert "flights: 16.9% of rows fail “tailnum is one of planes.tailnum” (new)" in words(shown)
    assert "usual" not in words(shown)


def test_a_failed_summary_is_said_and_the_runs_are_shown():
    html = render_status_page(None, GOOD, runs.SURROUNDINGS, runs.NOW, problem="the lake <is> away").html
    assert "The figures of the run are missing: the lake <is> away" in words(Page(html))
    assert "Last 30 runs" in words(Page(html))


def test_hostile_texts_stay_texts():
    shown = page(given.hostile())
    assert given.HOSTILE in shown.words
    assert not [tag for tag, attributes in shown.tags if any(name.startswith("on") for name in attributes)]
    assert not [tag for tag, _ in shown.tags if tag in ("img", "iframe", "form", "object", "link", "base")]
    assert not [
        value for _, a in shown.tags for name, value in a.items() if name == "href" and "javascript" in str(value)
    ]
    assert len(shown.scripts) == 1
    masked = next(row for row in shown.cells if "email" in " ".join(row))
    assert "masked or empty" in " ".join(" ".join(masked).split())


def test_the_policy_allows_only_the_pages_own_script_and_style_and_nothing_is_loaded():
    found = rendered(given.eventful())
    shown = Page(found.html)
    (script,) = shown.scripts
    style = re.search(r"<style>(.*?)</style>", found.html, re.DOTALL).group(1)
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (script, style)]
    assert re.findall(r"'sha256-([^']+)'", found.policy) == hashes
    assert "unsafe" not in found.policy
    assert next(a["content"] for _, a in shown.tags if a.get("http-equiv")) == found.policy
    assert not [a for _, a in shown.tags if "style" in a or "src" in a], "no style attribute, no request"
    assert not re.findall(r"url\(|@import|https?:", style)


def test_the_page_is_small():
    assert len(rendered(given.eventful()).html.encode()) < 100_000
    shown = page(given.many())
    assert "Show all 500 tables" in words(shown)
    hidden = [a for tag, a in shown.tags if tag == "tr" and "data-rest" in a]
    assert len(hidden) == 470
    assert [row[0].strip() for row in shown.cells if len(row) == 9 and "table_" in row[0]][:2] == [
        "table_077",
        "table_401",
    ]


def test_each_heading_follows_the_one_above_it_and_each_id_is_there_once():
    for summary in (given.eventful(), given.hostile(), None):
        shown = page(summary)
        levels = [int(tag[1]) for tag, _ in shown.tags if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
        ids = [a["id"] for _, a in shown.tags if a.get("id")]
        assert len(ids) == len(set(ids))
        targets = {str(a["href"])[1:] for _, a in shown.tags if str(a.get("href", "")).startswith("#")}
        assert targets <= set(ids)


def test_a_slow_stage_is_marked():
    stages = given.figures().stages | {"silver": 60}
    assert "silver 60 s ▲ usual 17\N{EN DASH}20 s" in words(page(given.quiet(figures=given.figures(stages=stages))))


def test_costs_above_the_budget_are_worth_a_look():
    cost = given.eventful().cost.model_copy(update={"budget": 0.4})
    texts = [item.text for item in things_to_look_at(given.quiet(cost=cost))]
    assert texts == ["the run cost 0.52 EUR, more than its budget of 0.40"]


def test_a_release_by_a_person_is_one_of_the_things_to_look_at():
    text = "gold.dim_airline: no_hawaiian: released by maria at 2026-11-30 07:00 UTC: the board meets at 8"
    assert text in [item.text for item in things_to_look_at(given.quiet(releases=(text,)))]
    assert text in words(page(given.quiet(releases=(text,)), runs.history()))

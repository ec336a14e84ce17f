"""What only a browser can tell of the page of the morning: cut texts, errors in the console, and axe-core's rules.

Contrast and markup are also tested without a browser (test_contrast.py, test_status_page.py).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from midnight.report.run_history import RunHistory
from midnight.report.status_page import render_status_page
from tests.support import airflow_runs as runs
from tests.support import summaries as given
from tests.support.browser import needs_browser
from tests.support.page_faults import FAULTS, VIEWS, axe_violations

pytestmark = [pytest.mark.slow, needs_browser]
GOOD = runs.history(runs.airflow_run())
PAGES = {
    "eventful": (given.eventful(), GOOD),
    "failed": (runs.before_the_failure(), runs.failed_history()),
    "hostile": (given.hostile(), GOOD),
    "first": (None, RunHistory()),
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    for name, (summary, history) in PAGES.items():
        html = render_status_page(summary, history, runs.SURROUNDINGS, runs.NOW).html
        (folder / f"{name}.html").write_text(html, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in PAGES}


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_cut_or_overlaps_and_the_console_is_empty(browser, pages, name):
    found = {}
    for view, options in VIEWS.items():
        browser.open(pages[name], **options)
        browser.run("document.querySelectorAll('button.open').forEach(button => button.click())")
        found[view] = browser.run(FAULTS) + browser.errors
    assert found == {view: [] for view in VIEWS}


def test_axe_finds_nothing(browser, pages):
    found = {}
    for name, dark in (("eventful", False), ("eventful", True), ("failed", False), ("failed", True), ("first", False)):
        browser.open(pages[name], dark=dark)
        browser.run("document.querySelectorAll('button.open').forEach(button => button.click())")
        found[name, dark] = axe_violations(browser)
    assert found == {key: [] for key in found}


def test_the_first_screen_answers_the_questions_of_the_morning(browser, pages):
    browser.open(pages["eventful"])
    inside = "document.querySelector({!r}).getBoundingClientRect().bottom <= innerHeight"
    for element in ("#verdict", ".items", ".strip", ".stages", ".health"):
        assert browser.run(inside.format(element)), f"{element} is below 1280 x 720"


def test_rows_open_ages_go_on_and_an_old_file_says_so(browser, pages):
    browser.open(pages["eventful"])
    assert not browser.run("document.getElementById('t1').checkVisibility()")
    browser.run("document.querySelector('[aria-controls=t1]').click()")
    assert browser.run("document.getElementById('t1').checkVisibility()")
    assert browser.run("document.querySelector('[aria-controls=t1]').getAttribute('aria-expanded')") == "true"
    browser.run(
        "document.querySelector('[data-age]').setAttribute('datetime', new Date(Date.now() - 3e8).toISOString())"
    )
    browser.run("window.dispatchEvent(new Event('focus'))")
    assert browser.run("document.querySelector('[data-age]').textContent") == "3 days"


def test_the_checks_find_an_overlap_and_a_cut_text(browser, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text(
        "<p>one line of text</p><p style='margin-top:-2em'>another line</p>"
        "<p style='width:40px;overflow:hidden;white-space:nowrap'>much longer than that</p><script>undefined.x</script>"
    )
    browser.open(page)
    faults = browser.run(FAULTS)
    assert [fault for fault in faults if fault.startswith("overlap: one line")]
    assert [fault for fault in faults if fault.startswith("scrolls: P: much longer")]
    assert "TypeError" in str(browser.errors)

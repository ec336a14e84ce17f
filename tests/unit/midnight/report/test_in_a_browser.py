"""What only a browser can tell: cut or overlapping texts, errors in the console, and axe-core's rules.

Without a browser these tests are skipped, and say so; contrast and markup are also tested without one
(test_contrast.py, test_status_page.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from midnight.report.run_history import RunHistory
from midnight.report.status_page import render_status_page
from midnight.settings import REPOSITORY
from tests.support import summaries as given
from tests.support.browser import Browser, find_browser, running_browser
from tests.support.node_package import install

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_browser() is None, reason="no chromium is installed; hint: apt-get install chromium"),
]
GOOD = given.history(given.airflow_run())
PAGES = {
    "eventful": (given.eventful(), GOOD),
    "failed": (given.before_the_failure(), given.failed_history()),
    "hostile": (given.hostile(), GOOD),
    "first": (None, RunHistory()),
}
VIEWS = {
    "screen": {},
    "phone": {"width": 390, "height": 844},
    "dark": {"dark": True},
    "print": {"width": 760, "media": "print"},
}
# Elements whose text is cut, that leave the window, or whose texts lie over each other.
FAULTS = """
(() => {
  const faults = [], texts = [];
  const shown = element => element.checkVisibility({visibilityProperty: true}) && element.getClientRects().length;
  for (const element of document.querySelectorAll("body *")) {
    if (!shown(element) || element.closest("svg") && element.tagName !== "svg") continue;
    const style = getComputedStyle(element), name = element.tagName + ": " + element.textContent.trim().slice(0, 60);
    if (style.overflowX !== "visible" && element.scrollWidth > element.clientWidth + 1) faults.push("scrolls: " + name);
    if (style.overflowX === "hidden" && element.scrollHeight > element.clientHeight + 1) faults.push("cut: " + name);
    const box = element.getBoundingClientRect();
    if (box.right > innerWidth + 1 || box.left < -1) faults.push("outside: " + name);
    for (const node of element.childNodes) {
      if (node.nodeType !== 3 || !node.data.trim()) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      for (const rect of range.getClientRects()) texts.push([rect, node.data.trim().slice(0, 40)]);
    }
  }
  texts.sort((a, b) => a[0].top - b[0].top);
  for (let i = 0; i < texts.length; i++) {
    for (let j = i + 1; j < texts.length && texts[j][0].top < texts[i][0].bottom - 4; j++) {
      const [a, one] = texts[i], [b, other] = texts[j];
      if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2) faults.push("overlap: " + one + " | " + other);
    }
  }
  return faults.slice(0, 20);
})()
"""
AXE = """
axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]}).then(found =>
  found.violations.map(v => v.id + ": " + v.nodes.slice(0, 3).map(n => n.html.slice(0, 150)).join(" ")))
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    for name, (summary, history) in PAGES.items():
        html = render_status_page(summary, history, given.SURROUNDINGS, given.NOW).html
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
    axe = (install(REPOSITORY / "tests" / "support" / "axe") / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    found = {}
    for name, dark in (("eventful", False), ("eventful", True), ("failed", False), ("failed", True), ("first", False)):
        browser.open(pages[name], dark=dark)
        browser.run("document.querySelectorAll('button.open').forEach(button => button.click())")
        browser.run(f"{axe}; 0")
        found[name, dark] = browser.run(AXE)
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

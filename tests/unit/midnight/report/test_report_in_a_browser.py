"""The report in a browser: every kind of chart and figure, on the screen, a phone, in the dark and in print."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from midnight.report.page import ReportFiles, render_report
from tests.support.browser import needs_browser
from tests.support.page_faults import FAULTS, VIEWS, axe_violations

pytestmark = [pytest.mark.slow, needs_browser]
# A year of days in four shops; one name is long, one is hostile, and some values are NULL.
ROWS = """
CREATE TABLE sales AS
SELECT
    DATE '2025-12-01' + d::INT AS day,
    ['Nørre', 'O''Hara & <b>Sons</b>', 'Donaudampfschifffahrtsgesellschaft am Stadtrand', 'Z'][s::INT] AS shop,
    if(d % 50 = 3, NULL, 100 + d % 7 * 20 + s * 30 + d % 11) AS pieces,
    0.6 + 0.3 * ((d * 7 + s * 3) % 10) / 10 AS share
FROM range(365) AS days(d), range(1, 5) AS shops(s)
"""
REPORT = """
title: Shops
headline: SELECT 'Thursday sold ' || sum(pieces) || ' pieces' FROM sales WHERE day = (SELECT max(day) FROM sales)
figures:
  - {title: Pieces, sql: FROM sales, day: day, value: pieces, note: sold, better: more}
  - {title: Share, sql: "SELECT day, share * pieces AS v, pieces FROM sales", day: day, value: v, per: pieces, days: 7,
     format: percent, better: less, note: of something that needs a longer explanation}
  - {title: Nothing, sql: FROM sales WHERE false, day: day, value: pieces}
  - {title: First day, sql: FROM sales WHERE day = '2026-11-30', day: day, value: pieces, format: decimal}
charts:
  - {title: By day, kind: line, wide: true, x: day, y: [share, pieces_share], mean_days: 7, weight: n, format: percent,
     insight: SELECT 'The last week was the best', description: Share and pieces.,
     sql: "SELECT day, avg(share) AS share, avg(pieces) / 1000 AS pieces_share, count(*) AS n FROM sales GROUP BY day
           ORDER BY day"}
  - {title: Dots, kind: dot, x: shop, y: [now, before], format: percent,
     sql: "SELECT shop, avg(share) AS now, min(share) AS before FROM sales GROUP BY shop ORDER BY now"}
  - {title: Many bars, kind: horizontal_bar, x: day, y: [pieces],
     sql: "SELECT day, sum(pieces) AS pieces FROM sales GROUP BY day ORDER BY day LIMIT 30"}
  - {title: Months, kind: stacked_bar, x: month, y: [pieces], series: shop,
     sql: "SELECT strftime(day, '%Y-%m') AS month, shop, sum(pieces) AS pieces FROM sales GROUP BY ALL ORDER BY ALL"}
  - {title: Heat, kind: heatmap, x: day, y: [shop], value: pieces,
     sql: "SELECT dayname(day) AS day, shop, avg(pieces) AS pieces FROM sales GROUP BY ALL"}
  - {title: Cells, kind: table, x: shop, y: [pieces, share, change], format: decimal, wide: true, insight: SELECT NULL,
     sql: "SELECT shop, sum(pieces)::BIGINT AS pieces, avg(share) AS share, avg(150 - pieces) AS change FROM sales
           GROUP BY shop"}
  - {title: Empty, kind: bar, x: shop, y: [pieces], sql: FROM sales WHERE false}
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    with duckdb.connect(str(folder / "serving.duckdb")) as connection:
        connection.execute(ROWS)
    (folder / "report.yml").write_text(REPORT, encoding="utf-8")
    files = ReportFiles(folder / "pages")
    assert render_report(database=folder / "serving.duckdb", configuration=folder, files=files)
    return files.page


def test_nothing_is_cut_or_overlaps_and_the_console_is_empty(browser, page):
    found = {}
    for view, options in VIEWS.items():
        browser.open(page, **options)
        found[view] = browser.run(FAULTS) + browser.errors
    assert found == {view: [] for view in VIEWS}


def test_axe_finds_nothing(browser, page):
    found = {}
    for view, options in VIEWS.items():
        browser.open(page, **options)
        browser.run("document.querySelectorAll('details').forEach(details => details.open = true)")
        found[view] = axe_violations(browser)
    assert found == {view: [] for view in VIEWS}


def test_every_chart_is_drawn_and_names_are_texts(browser, page):
    browser.open(page)
    drawn = "[...document.querySelectorAll('.plot')].map(p => [p.id, p.querySelectorAll('.main-svg').length > 0])"
    assert browser.run(drawn) == [[f"chart-{number}", True] for number in range(1, 6)]
    assert browser.run("document.querySelectorAll('.plot b').length") == 0
    assert browser.run("document.querySelector('#chart-2').textContent.includes('<b>Sons</b>')")
    labels = "[...document.querySelectorAll('#chart-3 .ytick text')].length"
    assert browser.run(labels) == 30, "every line of a chart has its label"


def test_the_csv_has_all_rows_with_all_digits(browser, page):
    browser.open(page)
    browser.run(
        "window.saved = []; URL.createObjectURL = blob => { window.saved.push(blob); return '#'; };"
        "HTMLAnchorElement.prototype.click = function () { window.saved.push(this.download); };"
        "document.querySelector('[data-csv=csv-1]').click()"
    )
    name = browser.run("window.saved[1]")
    text = browser.run("window.saved[0].text()")
    lines = text.removeprefix("\ufeff").splitlines()
    assert (name, len(lines)) == ("By day.csv", 366)
    assert lines[0] == "day,share,pieces_share,n,share_mean_of_7_days,pieces_share_mean_of_7_days"
    assert json.loads(lines[8].split(",")[4]) == pytest.approx(0.735, abs=0.1)
    assert any(len(cell) > 12 for cell in lines[8].split(","))

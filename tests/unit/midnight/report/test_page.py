"""The report page: its figures, its escaping, and that it loads nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import timedelta

import duckdb
import pytest
from deltalake import write_deltalake

from midnight.column_types import duckdb_type
from midnight.errors import ConfigurationError, ServingError
from midnight.report.definition import load_report_definition
from midnight.report.page import render_report
from midnight.report.templates import format_batch_time, format_number
from midnight.settings import REPOSITORY
from midnight.silver_to_gold.builds import BuiltColumn, BuiltModel, GoldBuild
from midnight.silver_to_gold.load_contracts import load_gold_contracts
from tests.support.html_page import Page
from tests.unit.conftest import START, SmallLake, entry, sale

SCRIPT = "<script>alert('x')</script>"
REPORT = """\
title: Shops & more
figures:
  - {title: Pieces, sql: SELECT sum(pieces) FROM reporting.day_sales}
  - {title: Returned, sql: SELECT 0.256, format: percent}
charts:
  - {title: Pieces by note, kind: bar, x: note, y: [pieces], sql: "FROM reporting.day_sales ORDER BY note"}
  - {title: By shop, kind: line, x: day, y: [pieces], series: note, sql: FROM reporting.day_sales}
  - {title: Heat, kind: heatmap, x: day, y: [note], value: pieces, sql: FROM reporting.day_sales}
"""


def written(lake: SmallLake, **options) -> Page:
    page = lake.home / "report" / "index.html"
    options = {"now": START + timedelta(hours=3)} | options
    render_report(database=lake.database, configuration=lake.configuration, page=page, **options)
    return Page(page.read_text(encoding="utf-8"))


@pytest.fixture
def published(lake: SmallLake) -> SmallLake:
    lake.build("B1", [sale(1, note="a & b"), sale(2, note=SCRIPT)])
    lake.reporting(day_sales="SELECT day, note, SUM(pieces) AS pieces FROM gold.fact_sale GROUP BY day, note")
    lake.ledger(
        entry("sales", "20251231T000000000Z-00000000", rows_in=4000, inserted=4000, silver_after=4000),
        entry(
            "sales",
            "20260101T000000000Z-00000000",
            attempt_at=START + timedelta(days=1),
            rows_in=4321,
            inserted=1234,
            updated=80,
            unchanged=3000,
            deleted=6,
            duplicates=2,
            dropped=4,
            quarantined=1,
            silver_before=4000,
            silver_after=5228,
        ),
        entry(SCRIPT, message=f"new column {SCRIPT}"),
    )
    lake.quarantine(
        {"table": "sales", "batch_id": "20260101T000000000Z-00000000", "rule": SCRIPT, "reason": SCRIPT}
        | {"key": "1", "row": f'{{"note": "{SCRIPT}"}}'}
    )
    lake.run_document("20260101T000000000Z-00000000", "sales")
    lake.publish("B1")
    return lake


def test_the_numbers_of_a_run(published):
    page = written(published)
    assert page.row("sales public.sales") == [
        "sales public.sales", "4,321", "1,234", "80", "3,000", "2", "4", "1", "6", "0", "5,228", "✓ yes"
    ]  # fmt: skip
    assert page.row("All tables")[:3] == ["All tables", "4,326", "1,239"]
    assert "✓ Every row is accounted for" in page.words
    assert "4,326 rows in = 1,239 new + 80 changed" in page.words
    fresh = [row for row in page.cells if row and row[0] == "sales"]
    assert [" ".join(cell.split()) for cell in fresh[0]] == [
        "sales",
        "2026-01-01 00:00 UTC",
        "3 h",
        "2026-01-01 00:00 older",
        "5",
        "1.5 kB in 1 file",
        "operator",
        "shop on PostgreSQL 18.6",
    ]
    assert page.row("fact_sale")[2:] == ["2", "rebuilt", "✓ 1 passed"]
    assert page.row("2025-12-31 00:00") == ["2025-12-31 00:00", "4,000", "4,000", "0", "0", "0"]


def test_a_page_opened_after_the_next_run_was_due_shows_a_notice(published):
    due = START + timedelta(days=1)
    page = written(published, next_due=due, airflow_url="http://127.0.0.1:8080/dags/midnight_pipeline")
    (late,) = [attributes for _, attributes in page.tags if attributes.get("id") == "late"]
    assert (late["data-due"], "hidden" in late) == (due.isoformat(), True)  # a script of the page shows it
    assert "A newer run was due 2026-01-02 00:00 UTC" in page.words
    assert "data-due" not in written(published).text.partition("<script>")[0]


def test_a_build_of_an_older_run_shows_the_newest_batch_of_its_data(lake):
    """A rebuild, or a run of the day before yesterday that was cleared today."""
    newest = "20260105T000000000Z-00000000"
    lake.build("20260103T000000000Z-00000000", [sale(1)])
    lake.ledger(entry("sales", newest))
    lake.run_document(newest, "sales")
    lake.publish("20260103T000000000Z-00000000")
    page = written(lake)
    assert "Run of 2026-01-05 00:00 UTC" in page.words
    assert page.row("sales")  # the ledger's
    fresh = [row for row in page.cells if row and row[0].strip() == "sales"][-1]
    assert " ".join(fresh[3].split()) == "2026-01-05 00:00"


def test_rows_that_do_not_add_up_are_shown(lake):
    lake.build("B1", [sale(1)])
    lake.ledger(entry("sales", rows_in=6))
    lake.publish("B1")
    page = written(lake)
    assert "✗ The rows of this run do not add up" in page.words
    assert page.row("sales")[-1].startswith("✗ nosales: batch B1 has 6 rows, but 5 are accounted for")


def test_everything_is_escaped(published):
    (published.configuration / "report.yml").write_text(REPORT)
    page = written(published)
    assert SCRIPT in page.words
    assert page.row(SCRIPT)[0].startswith(SCRIPT)
    assert not [tag for tag, attributes in page.tags if any(name.startswith("on") for name in attributes)]
    assert [script for script in page.scripts if "alert('x')" in script and not script.startswith("{")] == []
    assert len(page.scripts) == 4  # figures, plotly, our two
    assert "<" not in page.scripts[0]


def test_the_page_loads_nothing(published):
    (published.configuration / "report.yml").write_text(REPORT)
    page = written(published)
    loading = [
        (tag, name, value)
        for tag, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "srcset", "data", "action", "poster", "background")
        or (name == "href" and not str(value).startswith("#"))
    ]
    assert loading == []
    assert {tag for tag, _ in page.tags} & {"link", "iframe", "img", "object", "embed", "form", "base"} == set()
    style = page.text[page.text.index("<style>") : page.text.index("</style>")]
    assert re.findall(r"url\(|@import|https?:", style) == []


def test_the_policy_allows_exactly_the_scripts_of_the_page(published):
    (published.configuration / "report.yml").write_text(REPORT)
    page = written(published)
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    data, *scripts = page.scripts
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert re.findall(r"'sha256-([^']+)'", str(policy)) == hashes
    assert str(policy).startswith("default-src 'none'; script-src 'sha256-")
    assert sorted(json.loads(data)) == ["chart-1", "chart-2", "chart-3", "chart-history"]


def test_charts_and_figures_of_the_configuration(published):
    (published.configuration / "report.yml").write_text(REPORT)
    page = written(published)
    assert "Shops & more" in page.words
    assert "25.6%" in page.words
    charts = json.loads(page.scripts[0])
    expected = {"type": "bar", "x": ["&lt;script&gt;alert('x')&lt;/script&gt;", "a &amp; b"], "y": [2, 1]}
    assert {name: charts["chart-1"]["data"][0][name] for name in expected} == expected
    assert [series["name"] for series in charts["chart-2"]["data"]].count("a &amp; b") == 1
    assert sorted(charts["chart-3"]["data"][0]["z"]) == [[1], [2]]


def test_without_a_configuration_there_are_no_charts(lake):
    lake.build("B1", [])
    lake.publish("B1")
    page = written(lake)
    assert len(page.scripts) == 1  # no plotly
    assert "No row of the newest batches is in quarantine." in page.words


def test_all_failing_queries_are_reported_at_once_and_the_old_page_is_kept(published):
    before = written(published).text
    report = (
        REPORT.replace("sum(pieces)", "sum(nothing)")
        .replace("x: note", "x: colour")
        .replace("SELECT 0.256", "FROM range(2)")
    )
    (published.configuration / "report.yml").write_text(report)
    with pytest.raises(ServingError) as caught:
        written(published)
    message = str(caught.value)
    assert [part in message for part in ("figure 'Pieces'", "figure 'Returned'", "chart 'Pieces by note'")] == [
        True
    ] * 3
    assert "3 of the report's queries failed" in message
    assert (published.home / "report" / "index.html").read_text(encoding="utf-8") == before


def test_an_invalid_definition_is_reported_with_its_lines(published):
    (published.configuration / "report.yml").write_text("charts:\n  - {title: T, kind: pie, sql: x, x: a, y: [b]}\n")
    with pytest.raises(ConfigurationError, match=r"report\.yml:2: charts\[0\]\.kind"):
        written(published)


def test_without_views_there_is_no_report(lake):
    with pytest.raises(ServingError, match="does not exist; hint: clear the task gold_to_serving"):
        written(lake)


def test_the_error_of_a_page_that_cannot_be_written_names_its_path(published):
    (published.home / "report").write_text("a file")
    with pytest.raises(ServingError, match=r"index\.html cannot be written"):
        written(published)


def test_the_demo_configuration_works(lake):
    """Over the demo's gold without any rows, as after the first run on an empty source."""
    include = REPOSITORY / "include"
    contracts = load_gold_contracts(include)
    models = {}
    for name, contract in contracts.items():
        types = {c.name: duckdb_type(c.type).replace("TIMESTAMP", "TIMESTAMPTZ") for c in contract.columns}
        columns = ", ".join(f'CAST(NULL AS {kind}) AS "{column}"' for column, kind in types.items())
        table = duckdb.sql(f"SELECT {columns} WHERE false").to_arrow_table()
        write_deltalake(lake.paths.gold_model(name, "b"), table)
        built = tuple(BuiltColumn(name=c.name, type=c.type, max_length=c.max_length) for c in contract.columns)
        models[name] = BuiltModel(path=f"{name}/b", rows=0, built_in="b", definition="", inputs={}, columns=built)
    lake.record(GoldBuild(build_id="b", batch_id="B1", run_id="r", completed_at=START, models=models))
    lake.home.joinpath("include").symlink_to(include)
    lake.publish("B1")
    page = written(lake)
    definition = load_report_definition(include)
    charts = json.loads(page.scripts[0])
    assert sorted(charts) == [f"chart-{number}" for number in range(1, len(definition.charts) + 1)]


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (1234567, "integer", "1,234,567"),
        (1234.5678, "decimal", "1,234.6"),
        (0.2567, "percent", "25.7%"),
        (None, "integer", "—"),
    ],
)
def test_formatted_numbers(value, kind, expected):
    assert format_number(value, kind) == expected


def test_the_time_of_a_batch():
    assert format_batch_time("20260102T030405678Z-abcdef12") == "2026-01-02 03:04"
    assert format_batch_time("something else") == "something else"

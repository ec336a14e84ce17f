"""The report: its figures and charts, its escaping, and that it loads nothing from elsewhere."""

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
from midnight.report.page import ReportFiles, render_report
from midnight.report.templates import format_number
from midnight.settings import REPOSITORY
from midnight.silver_to_gold.builds import BuiltColumn, BuiltModel, GoldBuild
from midnight.silver_to_gold.load_contracts import load_gold_contracts
from tests.support.html_page import Page
from tests.support.ledger_entries import START
from tests.unit.conftest import SmallLake, sale

SCRIPT = "<script>alert('x')</script>"
REPORT = """\
title: Shops & more
headline: SELECT 'Most of ' || arg_max(note, pieces) FROM reporting.day_sales
figures:
  - {title: Pieces, sql: SELECT sum(pieces) FROM reporting.day_sales}
  - {title: Returned, sql: SELECT 0.256, format: percent}
charts:
  - {title: Pieces by note, kind: bar, x: note, y: [pieces], sql: "FROM reporting.day_sales ORDER BY note"}
  - {title: By shop, kind: line, x: day, y: [pieces], series: note, sql: FROM reporting.day_sales}
  - {title: Heat, kind: heatmap, x: day, y: [note], value: pieces, sql: FROM reporting.day_sales}
  - {title: Cells, kind: table, x: note, y: [pieces], sql: FROM reporting.day_sales ORDER BY pieces}
"""


def written(lake: SmallLake, **options) -> Page:
    files = ReportFiles(lake.home / "report")
    options = {"now": START + timedelta(hours=3)} | options
    render_report(database=lake.database, configuration=lake.configuration, files=files, **options)
    return Page(files.page.read_text(encoding="utf-8"))


@pytest.fixture
def published(lake: SmallLake) -> SmallLake:
    lake.build("B1", [sale(1, note="a & b"), sale(2, note=SCRIPT)])
    lake.reporting(day_sales="SELECT day, note, SUM(pieces) AS pieces FROM gold.fact_sale GROUP BY day, note")
    lake.publish("B1")
    return lake


def test_the_page_says_how_new_the_data_are(published):
    (published.configuration / "report.yml").write_text(REPORT)
    words = " ".join(written(published, data_up_to=START, timezone="Europe/Berlin").words.split())
    assert "Data up to Thu 1 Jan 01:00 · written Thu 1 Jan 2026, 04:00 Berlin · Is this right?" in words


def test_everything_is_escaped(published):
    (published.configuration / "report.yml").write_text(REPORT)
    page = written(published)
    assert SCRIPT in page.words
    assert not [tag for tag, attributes in page.tags if any(name.startswith("on") for name in attributes)]
    *data, page_js, plotly, charts_js = page.scripts
    assert len(data) == 5, "a CSV per chart, and the figures"
    assert "alert('x')" not in page_js + plotly + charts_js
    assert not [text for text in data if "<" in text]


def test_the_page_loads_nothing(published):
    (published.configuration / "report.yml").write_text(REPORT)
    page = written(published)
    loading = [
        (tag, name, value)
        for tag, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "srcset", "data", "action", "poster", "background")
        or (name == "href" and value != "index.html")
    ]
    assert loading == []
    assert {tag for tag, _ in page.tags} & {"link", "iframe", "img", "object", "embed", "form", "base"} == set()
    style = page.text[page.text.index("<style>") : page.text.index("</style>")]
    assert re.findall(r"url\(|@import|https?:", style) == []


def test_the_policy_allows_exactly_the_scripts_of_the_page(published):
    (published.configuration / "report.yml").write_text(REPORT)
    page = written(published)
    policy = next(a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    *csv, data, _, _, _ = page.scripts
    scripts = page.scripts[-3:]
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert sorted(re.findall(r"'sha256-([^']+)'", str(policy))) == sorted(hashes)
    assert json.loads(csv[0]).splitlines()[0] == "day,note,pieces"
    assert str(policy).startswith("default-src 'none'; script-src 'sha256-")
    assert sorted(json.loads(data)) == ["chart-1", "chart-2", "chart-3"]


def test_charts_and_figures_of_the_configuration(published):
    (published.configuration / "report.yml").write_text(REPORT)
    page = written(published)
    assert "Shops & more" in page.words
    assert "25.6%" in page.words
    charts = json.loads(page.scripts[-4])
    expected = {"type": "bar", "x": ["&lt;script&gt;alert('x')&lt;/script&gt;", "a &amp; b"], "y": [2, 1]}
    assert {name: charts["chart-1"]["data"][0][name] for name in expected} == expected
    assert [series["name"] for series in charts["chart-2"]["data"]].count("a &amp; b") == 1
    assert sorted(charts["chart-3"]["data"][0]["z"]) == [[1], [2]]


def test_airflow_gets_the_same_page_with_plotly_as_a_file_of_its_own(published):
    (published.configuration / "report.yml").write_text(REPORT)
    written(published)
    files = ReportFiles(published.home / "report")
    served = Page(files.served.read_text(encoding="utf-8"))
    script = next(attributes for tag, attributes in served.tags if tag == "script" and "src" in attributes)
    digest = base64.b64encode(hashlib.sha256(files.plotly.read_bytes()).digest()).decode()
    assert script["integrity"] == f"sha256-{digest}"
    policy = next(a["content"] for _, a in served.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert f"'sha256-{digest}'" in str(policy)
    assert "'self'" not in str(policy)
    assert len(served.text) < 100_000 < len(files.plotly.read_bytes())


def test_without_a_configuration_there_is_no_report(published):
    (published.configuration / "report.yml").write_text(REPORT)
    written(published)
    (published.configuration / "report.yml").unlink()
    files = ReportFiles(published.home / "report")
    assert not render_report(database=published.database, configuration=published.configuration, files=files)
    assert not [path for path in files.folder.rglob("*") if path.is_file()]


def test_a_text_that_a_spreadsheet_would_evaluate_is_a_text_in_the_csv(lake):
    lake.build("B1", [sale(1, note="=1+1"), sale(2, note="-5")])
    lake.publish("B1")
    lake.configuration.mkdir(exist_ok=True)
    sql = "SELECT note, pieces FROM gold.fact_sale ORDER BY pieces"
    chart = f'{{title: T, kind: bar, x: note, y: [pieces], sql: "{sql}"}}'
    (lake.configuration / "report.yml").write_text(f"charts: [{chart}]\n")
    assert json.loads(written(lake).scripts[0]).splitlines() == ["note,pieces", "'=1+1,1", "-5,2"]


def test_all_failing_queries_are_reported_at_once_and_the_old_page_is_kept(published):
    (published.configuration / "report.yml").write_text(REPORT)
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
    assert "4 of the report's queries failed" in message
    assert (published.home / "report" / "report.html").read_text(encoding="utf-8") == before


def test_an_invalid_definition_is_reported_with_its_lines(published):
    (published.configuration / "report.yml").write_text("charts:\n  - {title: T, kind: pie, sql: x, x: a, y: [b]}\n")
    with pytest.raises(ConfigurationError, match=r"report\.yml:2: charts\[0\]\.kind"):
        written(published)


def test_without_views_there_is_no_report(lake):
    with pytest.raises(ServingError, match="does not exist; hint: clear the task gold_to_serving"):
        written(lake)


def test_the_error_of_a_page_that_cannot_be_written_names_its_path(published):
    (published.home / "report").write_text("a file")
    (published.configuration / "report.yml").write_text(REPORT)
    with pytest.raises(ServingError, match=r"plotly\.js cannot be written"):
        written(published)


def test_a_table_has_a_bar_in_each_cell(published):
    (published.configuration / "report.yml").write_text(REPORT)
    page = written(published)
    bars = [attributes for tag, attributes in page.tags if tag == "rect" and "width" in attributes]
    assert [(bar["x"], bar["width"]) for bar in bars] == [("0.0", "50.0"), ("0.0", "100.0")]
    assert "Most of <script>" in page.words


CSV = """
SELECT DATE '2026-01-01' AS day, 1 AS note, 0.1::DOUBLE + 0.2 AS pieces, 12345.678::DECIMAL(9, 3) AS exact, NULL AS gone
"""


def test_the_csv_has_all_digits_and_the_page_rounds(published):
    chart = {"title": "T", "kind": "line", "x": "day", "y": ["pieces"], "mean_days": 2, "weight": "note", "sql": CSV}
    (published.configuration / "report.yml").write_text(json.dumps({"charts": [chart]}))
    page = written(published)
    assert json.loads(page.scripts[0]).splitlines() == [
        "day,note,pieces,exact,gone,pieces_mean_of_2_days",
        "2026-01-01,1,0.30000000000000004,12345.678,,",
    ]
    assert json.loads(page.scripts[1])["chart-1"]["data"][0]["y"] == [0.3]


def test_wrong_insights_and_headlines_are_reported_with_all_others(published):
    wrong = REPORT.replace("SELECT 'Most of '", "SELECT 1, 'x'").replace(
        "{title: By shop,", "{title: By shop, insight: SELECT nothing FROM reporting.day_sales,"
    )
    (published.configuration / "report.yml").write_text(wrong)
    with pytest.raises(ServingError, match="2 of the report's queries failed") as caught:
        written(published)
    assert "headline: its query returned 1 rows of 2 columns instead of one text" in str(caught.value)
    assert "insight of chart 'By shop': Binder Error" in str(caught.value)


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
    assert page.words.count("No rows yet.") == len(definition.charts)
    assert page.words.count("no rows yet") == len(definition.figures)
    assert len(page.scripts) == 1, "no plotly without a picture"


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

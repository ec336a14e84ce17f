"""`midnight lineage` over the demo: the tree, JSON, the page, and names that do not exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from cli.main import app
from tests.support.shop import write_shop


def lineage(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["lineage", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_a_tree_says_how_each_column_depends_on_the_name() -> None:
    code, tree, _ = lineage("public.flights.tailnum")
    lines = {" ".join(re.sub(r"[│├└─]", " ", line).split()) for line in tree.splitlines()}
    assert code == 0
    assert {
        "public.flights.tailnum source; text",
        "tailnum computed from it; null where 'NA'",
        "tail_number computed from it",
        "all columns through a join",
        "pattern_tailnum checks it; pattern, warn",
        "Mean distance through a join",
        "Tail number computed from it",
    } <= lines


def test_json_goes_both_ways_from_a_measure_and_a_view() -> None:
    _, text, _ = lineage("on-time share", "--upstream", "--json")
    found = json.loads(text)
    assert [node["name"] for node in found["of"]] == ["'On-time share'"]
    assert found.keys() == {"of", "upstream", "unknown"}
    assert found["unknown"] == []
    assert {(n["name"], n["use"], n["direct"]) for n in found["upstream"] if n["layer"] == "gold"} >= {
        ("gold.fact_flight.is_on_time", "filter", False)
    }
    _, text, _ = lineage("reporting.flight.arrival_delay_minutes", "--json")
    found = json.loads(text)
    direct = {n["name"] for n in found["upstream"] if n["direct"]}
    assert direct == {
        *("public.flights.arr_delay", "silver.flights.arr_delay"),
        "gold.fact_flight.arrival_delay_minutes",
    }
    assert {n["name"] for n in found["downstream"] if n["layer"] == "Power BI measure"} == {
        *("'Mean arrival delay'", "'Median arrival delay'"),
    }


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("public.flights.tailnumber", "public.flights has no column 'tailnumber'; hint: did you mean 'tailnum'?"),
        ("gold.dim_dates", "'gold.dim_dates' is not in the lineage; hint: did you mean 'gold.dim_date' or "),
        ("On time shares", "'On time shares' is not in the lineage; hint: did you mean 'On-time share' or "),
        ("?", "'?' is not in the lineage; hint: give schema.table.column"),
    ],
)
def test_a_wrong_name_is_an_error_with_similar_names(name: str, message: str) -> None:
    code, printed, error = lineage(name)
    assert (code, printed) == (1, "")
    assert error.startswith(f"✗ {message}")


def test_what_cannot_be_followed_is_printed_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    include = write_shop(tmp_path / "include")
    model = include / "sql" / "gold" / "fact_order.sql"
    model.write_text(f"{model.read_text()} WHERE nothing > 1")
    (include / "sql" / "serving" / "days.sql").write_text("CREATE OR ALTER VIEW reporting.days AS SELECT (")
    report = include / "report.yml"
    report.write_text(report.read_text() + "charts: [{title: X, kind: pie}]\n")
    monkeypatch.setenv("MIDNIGHT_CONFIG", str(include))
    code, printed, _ = lineage("public.orders.day")
    assert code == 0
    assert [line for line in printed.splitlines() if line.startswith("unknown: ")] == [
        "unknown: gold gold.fact_order (query): names 'nothing', which nothing in its FROM has",
        "unknown: reporting view reporting.days (query): its SQL cannot be parsed: "
        "Required keyword: 'this' missing for near '('",
        "unknown: reporting view reporting.busy_days (query): reads 'reporting.days', whose columns are not known",
        "unknown: report report.yml: it is not valid; hint: midnight check",
    ]
    page = tmp_path / "lineage.html"
    assert lineage("--html", str(page))[0] == 0
    assert "report report.yml: it is not valid" in page.read_text()
    found = json.loads(lineage("public.orders.day", "--json")[1])["unknown"]
    assert [node["object"] for node in found] == [
        "gold.fact_order",
        "reporting.days",
        "reporting.busy_days",
        "report.yml",
    ]


def test_without_a_name_and_a_file_it_is_a_wrong_command_line() -> None:
    assert lineage()[0] == 2


def test_the_page_draws_each_table_once_and_refers_to_nothing_outside(tmp_path: Path) -> None:
    file = tmp_path / "lineage.html"
    assert lineage("public.flights.arr_delay", "--html", str(file))[0] == 0
    page = file.read_text(encoding="utf-8")
    assert "<script" not in page
    assert re.findall(r'(?:href|src)="([^#][^"]*)"', page) == []
    pictures = re.findall(r'<svg class="lineage" role.*?</svg>', page, re.S)
    of_column, of_tables = [ElementTree.fromstring(picture) for picture in pictures]  # noqa: S314 - our own file
    names = [text.text for text in of_tables.iter("text") if text.get("class") == "name"]
    assert len(names) == len(of_tables.findall("a"))
    assert {"public.weather", "silver.weather", "gold.dim_date", "reporting.calendar", "Punctuality"} <= set(names)
    rows = {text.text for text in of_column.iter("text") if text.get("class") == "row"}
    assert {"arr_delay", "arrival_delay_minutes", "is_on_time", "On-time share"} <= rows
    assert "tail_number" not in rows
    for link in re.findall(r'href="#([^"]+)"', page):
        assert f'id="{link}"' in page

"""The Power BI project: TMDL by Microsoft's parser, and the report by the published schemas.

The schemas in tests/data/power_bi_schemas/ are Microsoft's (github.com/microsoft/json-schemas, MIT licence); those that
describe the inside of visuals and filters without the descriptions.
"""

import json
import re
import shutil
from typing import Any, cast

import pytest
from jsonschema import Draft7Validator
from pbi_parsers import dax
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from midnight.settings import REPOSITORY
from tests.contracts.read_tmdl import read_tmdl

PROJECT = REPOSITORY / "include" / "powerbi"
DEFINITION = PROJECT / "Midnight.SemanticModel" / "definition"
SCHEMAS = {
    schema["$id"]: schema
    for schema in map(json.loads, (p.read_text() for p in (REPOSITORY / "tests/data/power_bi_schemas").iterdir()))
}


@pytest.fixture(scope="module")
def model():
    (result,) = read_tmdl(DEFINITION)
    assert "error" not in result, result
    return result


def test_microsofts_parser_reads_the_whole_model(model):
    assert {name: (len(t["columns"]), len(t["measures"])) for name, t in model["tables"].items()} == {
        "Flights": (27, 21),
        "Calendar": (12, 0),
        "Airlines": (2, 0),
        "Daily punctuality": (18, 1),
        "Weather": (11, 4),
        "Midnight runs": (14, 5),
        "Midnight checks": (11, 2),
        "Midnight quarantine": (9, 2),
    }
    assert model["relationships"] == [
        ["Flights[Date key]", "Calendar[Date key]", True],
        ["Flights[Airline key]", "Airlines[Airline key]", True],
        ["Daily punctuality[Date key]", "Calendar[Date key]", True],
        ["Daily punctuality[Airline key]", "Airlines[Airline key]", True],
    ]
    assert model["tables"]["Calendar"]["sorted"] == {"Month name": "Month number", "Day name": "Day of week"}
    assert sorted(model["parameters"]) == ["Database", "Server"]


def test_select_on_reporting_is_enough_for_the_models_principal(model):
    sources = [source for table in model["tables"].values() for source in table["source"]]
    assert {source.partition('Schema = "')[2].partition('"')[0] for source in sources} == {"reporting", "midnight"}


def test_columns_are_those_of_the_views(model):
    flights = model["tables"]["Flights"]["columns"]
    assert flights["Departure delay minutes"] == [
        "Int64",
        "departure_delay_minutes",
        "Departure delay, minutes; negative when early, null when cancelled",
    ]
    assert [flights[name][0] for name in ("Flight date", "Scheduled departure utc", "Airline name")] == [
        "DateTime",
        "DateTime",
        "String",
    ]
    assert "Sql.Database(Server, Database)" in model["tables"]["Flights"]["source"][0]
    assert '[Schema = "reporting", Item = "flight"]' in model["tables"]["Flights"]["source"][0]


def test_everything_that_a_reader_sees_is_described(model):
    unclear = [
        f"{name}[{column}]"
        for name, table in model["tables"].items()
        for column, (*_, description) in [*table["columns"].items(), *table["measures"].items()]
        if not description and column not in table["hidden"]
    ]
    assert unclear == []
    assert [name for name, table in model["tables"].items() if not table["description"]] == []


def test_measures_are_dax(model):
    measures = {name: m for table in model["tables"].values() for name, m in table["measures"].items()}
    assert measures["On-time share"][:2] == ["DIVIDE([Flights on time] + 0, [Flights in timetable])", "0.0 %"]
    assert "AVERAGE('Flights'[Arrival delay minutes])" in measures["Mean arrival delay"][0]
    for expression, *_ in measures.values():
        dax.to_ast(expression)  # Microsoft's parser takes any text for an expression; this one raises


def test_microsofts_parser_refuses_mistakes(tmp_path):
    def changed(name, file, old, new):
        shutil.copytree(DEFINITION, tmp_path / name)
        text = (tmp_path / name / file).read_text()
        assert old in text
        (tmp_path / name / file).write_text(text.replace(old, new, 1))
        return tmp_path / name

    results = read_tmdl(
        changed("property", "tables/Flights.tmdl", "summarizeBy: none", "sumariseBy: none"),
        changed("type", "tables/Flights.tmdl", "dataType: int64", "dataType: int65"),
        changed("relationship", "relationships.tmdl", "toColumn: Calendar.'Date key'", "toColumn: Calendar.'Day key'"),
        changed("sort", "tables/Calendar.tmdl", "sortByColumn: 'Month number'", "sortByColumn: 'Month numbr'"),
    )
    assert [sorted(result) for result in results] == [["error"]] * 4


def documents():
    found = [p for p in PROJECT.rglob("*") if p.is_file() and p.suffix not in (".tmdl", ".yml")]
    return [p for p in found if p.parent.name != "RegisteredResources"]


def validate(document):
    """Messages of the schema that the document names."""

    def retrieve(uri):
        return Resource.from_contents(SCHEMAS[uri], default_specification=DRAFT7)

    registry = cast(Any, Registry)(retrieve=retrieve)  # its types do not tell mypy the name of this argument
    validator = Draft7Validator(SCHEMAS[document["$schema"]], registry=registry)
    return [error.message for error in validator.iter_errors(document)]


def test_every_document_fits_its_published_schema():
    assert {str(p.relative_to(PROJECT)): validate(json.loads(p.read_text())) for p in documents()} == {
        str(p.relative_to(PROJECT)): [] for p in documents()
    }
    assert len(documents()) == 113


def test_the_schemas_refuse_mistakes():
    page = json.loads((PROJECT / "Midnight.Report/definition/pages/routes/page.json").read_text())
    assert validate({**page, "displayOption": "Fit"}) != []
    assert validate({**page, "colour": "red"}) == ["Additional properties are not allowed ('colour' was unexpected)"]


def visuals():
    return [json.loads(p.read_text()) for p in PROJECT.rglob("visual.json")]


def test_every_field_of_the_report_is_in_the_model(model):
    unknown = []
    for visual in visuals():
        for role in visual["visual"].get("query", {}).get("queryState", {}).values():
            for projection in role["projections"]:
                ((kind, field),) = projection["field"].items()
                table, name = field["Expression"]["SourceRef"]["Entity"], field["Property"]
                if name not in model["tables"][table][{"Column": "columns", "Measure": "measures"}[kind]]:
                    unknown.append(projection["queryRef"])
    assert unknown == []


def test_visuals_have_their_fields_where_power_bi_expects_them():
    roles = {
        (v["visual"]["visualType"], *sorted(v["visual"].get("query", {}).get("queryState", {}))) for v in visuals()
    }
    assert roles == {
        ("textbox",),
        ("card", "Values"),
        ("slicer", "Values"),
        ("tableEx", "Values"),
        ("lineChart", "Category", "Y"),
        ("lineChart", "Category", "Series", "Y"),
        ("columnChart", "Category", "Y"),
        ("columnChart", "Category", "Series", "Y"),
        ("clusteredBarChart", "Category", "Y"),
    }


def test_visuals_lie_on_their_page():
    for visual in visuals():
        place = visual["position"]
        assert 0 <= place["x"] < place["x"] + place["width"] <= 1280
        assert 0 <= place["y"] < place["y"] + place["height"] <= 720


def of_page(name):
    return json.loads((PROJECT / f"Midnight.Report/definition/pages/{name}/page.json").read_text())


def test_the_theme_has_the_colours_of_the_page_and_the_report_uses_it():
    (path,) = (PROJECT / "Midnight.Report/StaticResources/RegisteredResources").iterdir()
    theme = json.loads(path.read_text())
    css = (REPOSITORY / "plugins/midnight/report/page.css").read_text().partition("}")[0]
    assert {theme[name] for name in ("foreground", "background", "good", "bad", "tableAccent")} <= set(
        re.findall("#[0-9a-f]{6}", css)
    )
    assert all(re.fullmatch("#[0-9A-F]{6}", colour) for colour in theme["dataColors"])
    report = json.loads((PROJECT / "Midnight.Report/definition/report.json").read_text())
    assert report["themeCollection"]["customTheme"]["name"] == path.name
    assert report["resourcePackages"][0]["items"] == [{"name": path.name, "path": path.name, "type": "CustomTheme"}]


def test_slicers_of_one_column_have_one_selection_on_all_pages():
    slicers: dict[str, list[Any]] = {}
    for visual in visuals():
        if visual["visual"]["visualType"] == "slicer":
            (projection,) = visual["visual"]["query"]["queryState"]["Values"]["projections"]
            slicers.setdefault(projection["queryRef"], []).append(visual["visual"].get("syncGroup"))
    synced = {"fieldChanges": True, "filterChanges": True}
    assert slicers == {
        "Calendar.Year month": [{"groupName": "Calendar[Year month]", **synced}] * 4,
        "Airlines.Airline name": [{"groupName": "Airlines[Airline name]", **synced}] * 4,
        "Weather.Factor": [None],
    }


def test_single_flights_are_reached_from_the_figures_only():
    page = of_page("single_flights")
    assert (page["type"], page["visibility"]) == ("Drillthrough", "HiddenInViewMode")
    filters = {item["name"]: item["field"] for item in page["filterConfig"]["filters"]}
    bound = {item["boundFilter"]: item["fieldExpr"] for item in page["pageBinding"]["parameters"]}
    assert filters == bound
    assert [field["Column"]["Property"] for field in filters.values()] == [
        "Route",
        "Destination name",
        "Airline name",
    ]
    # Each of these columns is a category somewhere else, where a reader can click it.
    clicked = {
        projection["queryRef"]
        for visual in visuals()
        for role in visual["visual"].get("query", {}).get("queryState", {}).values()
        for projection in role["projections"]
    }
    assert {"Flights.Route", "Flights.Destination name", "Airlines.Airline name"} <= clicked
    assert "type" not in of_page("routes")


def test_every_visual_has_a_place_on_a_phone():
    for page in (PROJECT / "Midnight.Report/definition/pages").iterdir():
        taken: list[Any] = []
        for visual in page.glob("visuals/*"):
            place = json.loads((visual / "mobile.json").read_text())["position"]
            assert 0 <= place["x"] < place["x"] + place["width"] <= 324, visual
            taken.append((place["x"], place["y"], place["x"] + place["width"], place["y"] + place["height"], visual))
        for left, top, right, bottom, visual in taken:
            over = [
                v for x, y, x2, y2, v in taken if v != visual and x < right and x2 > left and y < bottom and y2 > top
            ]
            assert over == [], visual

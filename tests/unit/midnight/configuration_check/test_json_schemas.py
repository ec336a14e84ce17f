"""The JSON Schemas agree with the models: what a run accepts, an editor accepts, and the usual mistakes are shown."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from pydantic import BaseModel, ValidationError

from midnight.access.matrix import AccessMatrix
from midnight.configuration.pipeline import Pipeline
from midnight.configuration.prices import PriceFile
from midnight.configuration.tables import Table
from midnight.configuration_check.json_schemas import SchemaName, json_schema, modeline, schema_files
from midnight.powerbi.model.definition import PowerBiDefinition
from midnight.report.definition import ReportDefinition
from midnight.settings import REPOSITORY
from midnight.silver_to_gold.models import GoldModelContract
from tests.support.editor import editor_problems, schema_problems

MODELS: dict[str, type[BaseModel]] = {
    "pipeline": Pipeline,
    "table": Table,
    "gold_model": GoldModelContract,
    "report": ReportDefinition,
    "power_bi_model": PowerBiDefinition,
    "access": AccessMatrix,
    "prices": PriceFile,
}
SCHEMAS = {name: json_schema(name) for name in MODELS}
TEXTS = {name: json.dumps(schema) for name, schema in SCHEMAS.items()}
INCLUDE = REPOSITORY / "include"
FILES: dict[Path, SchemaName] = {
    INCLUDE / "pipeline.yml": "pipeline",
    INCLUDE / "prices.yml": "prices",
    INCLUDE / "report.yml": "report",
    INCLUDE / "powerbi" / "model.yml": "power_bi_model",
    REPOSITORY / "infra" / "access.yml": "access",
    **dict.fromkeys(sorted((INCLUDE / "tables").glob("*.yml")), "table"),
    **dict.fromkeys(sorted((INCLUDE / "sql" / "gold").glob("*.yml")), "gold_model"),
}
# Mistakes that a schema can see; references between fields and files are for `make check`.
VISIBLE = (
    *("missing", "extra_forbidden", "model_type", "string_type", "tuple_type", "dict_type", "int_type", "bool_type"),
    *("int_parsing", "int_from_float", "bool_parsing", "literal_error", "too_short", "too_long", "string_too_short"),
    *("greater_than_equal", "less_than_equal", "union_tag_invalid", "union_tag_not_found", "string_pattern_mismatch"),
)


def test_every_configuration_file_is_covered():
    assert set(get_args(SchemaName)) == set(MODELS) == set(FILES.values())
    assert set(INCLUDE.rglob("*.y*ml")) == {path for path in FILES if path.is_relative_to(INCLUDE)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_shipped_file_names_its_schema_and_is_valid(path):
    schema = f"{FILES[path]}.schema.json"
    assert path.read_text(encoding="utf-8").partition("\n")[0].endswith(f"schemas/{schema}")
    assert editor_problems(path) == []


def test_the_schemas_are_current_and_valid():
    for path, text in schema_files().items():
        assert (INCLUDE / path).read_text(encoding="utf-8") == text, "run python -m tools.generated_files"
        Draft7Validator.check_schema(json.loads(text))
    assert sorted(path.name for path in (INCLUDE / "schemas").iterdir()) == [
        Path(path).name for path in sorted(schema_files())
    ]


def test_the_modeline_is_relative_to_the_file():
    assert modeline("pipeline") == "# yaml-language-server: $schema=schemas/pipeline.schema.json"
    assert modeline("gold_model", "sql/gold").endswith("$schema=../../schemas/gold_model.schema.json")


@pytest.mark.parametrize("name", ["pipeline", "table"])
def test_every_field_is_described(name):
    definitions = [SCHEMAS[name], *SCHEMAS[name]["definitions"].values()]
    fields = [(d["title"], field, s) for d in definitions for field, s in d["properties"].items()]
    assert [(title, field) for title, field, s in fields if field != "rule" and "description" not in s] == []


def model_errors(name: str, data: Any) -> list[str]:
    """Types of pydantic's errors; of a gold model also the one that only ``contract_problems`` knows."""
    try:
        model = MODELS[name].model_validate(data)
    except ValidationError as error:
        # pydantic calls a list too short when its items are not valid.
        return [d["type"] for d in error.errors() if d["type"] != "too_short" or not d["input"]]
    checks = model.checks if isinstance(model, GoldModelContract) else ()
    return ["quarantine" for check in checks if check.on_failure == "quarantine"]


def places(data: Any, location: tuple[int | str, ...] = ()) -> Iterator[tuple[int | str, ...]]:
    yield location
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from places(value, (*location, key))


# An editor reads a date as text (YAML 1.2), which the models accept as well.
DATA = {path: json.loads(json.dumps(yaml.safe_load(path.read_text(encoding="utf-8")), default=str)) for path in FILES}
PLACES = [(path, place) for path in FILES for place in places(DATA[path]) if place]
VALUES = [None, [], {}, ["x"], {"a": "b"}, "text", "a b", "", "7", -1, 7, 10**9, 1.5]


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(
    place=st.sampled_from(PLACES), change=st.sampled_from(["replace", "remove", "add"]), value=st.sampled_from(VALUES)
)
def test_a_changed_file_is_refused_by_both_or_by_neither(place, change, value):
    path, location = place
    data = copy.deepcopy(DATA[path])
    parent = data
    for step in location[:-1]:
        parent = parent[step]
    if change == "replace":
        parent[location[-1]] = value
    elif change == "remove":
        del parent[location[-1]]
    elif isinstance(parent, dict):
        parent["not_a_field"] = value
    else:
        parent.append(value)
    errors = model_errors(FILES[path], data)
    problems = schema_problems(TEXTS[FILES[path]], data)
    if not errors:
        assert problems == [], "the schema refuses what the model accepts"
    if set(errors) & set(VISIBLE):
        assert problems != [], f"the model finds {errors}"


TABLE = {"schema": "public", "table": "t", "silver": "t", "columns": [{"name": "id", "type": "integer"}]}


def table(**fields: Any) -> dict[str, Any]:
    return {**copy.deepcopy(TABLE), **fields}


@pytest.mark.parametrize("text", ["yes", "No", "ON", "off", "true", "FALSE"])
def test_booleans_of_yaml_1_1_are_accepted(text):
    column = {"name": "id", "type": "integer", "drop": text}
    assert (
        model_errors("table", table(columns=[column])),
        schema_problems(TEXTS["table"], table(columns=[column])),
    ) == (
        [],
        [],
    )


@pytest.mark.parametrize(
    "fields",
    [
        {
            "columns": [
                {"name": "Größe", "type": "text"},
                {"name": "日本", "type": "text"},
                {"name": "_x1", "type": "t"},
            ]
        },
        {"mode": "incremental", "key": ["id"], "cursor": "id", "full_snapshot_interval_days": "0"},
        {"key": ["id"], "order_by": ["id DESC", "id", " id  asc "]},
        {"checks": [{"rule": "range", "column": "id", "min": "2013-01-01"}]},
        {"checks": [{"rule": "accepted_values", "column": "id", "values": [1, 1.5, True, "a"]}]},
        {"columns": [{"name": "id", "type": "integer", "nulls": {"fill": 0}, "null_values": None, "cast": None}]},
        {"mode": "incremental", "key": ["id"], "cursor": "id", "cursor_lag": 5},
    ],
)
def test_other_spellings_are_accepted(fields):
    assert (model_errors("table", table(**fields)), schema_problems(TEXTS["table"], table(**fields))) == ([], [])


@pytest.mark.parametrize(
    "fields",
    [
        {"silver": "größe"},
        {"columns": [{"name": "a b", "type": "text"}]},
        {"columns": [{"name": "1a", "type": "text"}]},
        {"order_by": ["id up"]},
        {"mode": "incremental", "key": ["id"]},
        {"checks": [{"rule": "range", "column": "id"}]},
        {"checks": [{"rule": "expression", "sql": "id > 0"}]},
        {"checks": [{"rule": "accepted_value", "column": "id", "values": [1]}]},
        {"duplicates": "remove"},
        {"cursor_lag": -1},
        {"null_values": "NA"},
    ],
)
def test_invalid_values_are_refused_by_both(fields):
    assert model_errors("table", table(**fields)) != []
    assert schema_problems(TEXTS["table"], table(**fields)) != []

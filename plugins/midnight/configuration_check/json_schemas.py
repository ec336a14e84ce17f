"""JSON Schemas of the configuration files, for completion and validation in an editor.

A schema sees one file, and an editor reads YAML 1.2. It therefore accepts whatever the model accepts (also ``yes`` for
true and a number in quotes) and refuses unknown and missing fields, wrong types and values out of range. References
between fields and files are left to ``make check``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal, get_args

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from midnight.access.matrix import AccessMatrix
from midnight.configuration.base import field_descriptions, model_description
from midnight.configuration.checks import OnFailure
from midnight.configuration.pipeline import Pipeline
from midnight.configuration.prices import PriceFile
from midnight.configuration.tables import Table
from midnight.powerbi.model.definition import PowerBiDefinition
from midnight.report.definition import ReportDefinition
from midnight.silver_to_gold.models import GoldModelContract

SchemaName = Literal["pipeline", "table", "gold_model", "report", "power_bi_model", "access", "prices"]
FOLDER = "schemas"
_MODELS: dict[SchemaName, type[BaseModel]] = {
    "pipeline": Pipeline,
    "table": Table,
    "gold_model": GoldModelContract,
    "report": ReportDefinition,
    "power_bi_model": PowerBiDefinition,
    "access": AccessMatrix,
    "prices": PriceFile,
}
# YAML 1.1, which PyYAML reads, has more words for a boolean than YAML 1.2; pydantic accepts some more.
_BOOLEAN_TEXT = "^([Yy]([Ee][Ss])?|[Nn][Oo]?|[Oo][Nn]|[Oo][Ff][Ff]|[Tt]([Rr][Uu][Ee])?|[Ff]([Aa][Ll][Ss][Ee])?|[01])$"
_TRUE_TEXTS = [word for text in ("yes", "on", "true") for word in (text, text.title(), text.upper())]
_INTEGER_TEXT = r"^\s*[-+]?[0-9][0-9_]*(\.0*)?\s*$"
# ``\w`` has ASCII letters only in an editor, and letters of any script in pydantic.
_WORD_CHARACTERS = r"0-9A-Za-z_\u0080-\uffff"
_SCALARS = {"boolean", "integer", "number", "string"}


def schema_files() -> dict[str, str]:
    """Path below the configuration folder -> text, of every schema."""
    return {
        f"{FOLDER}/{name}.schema.json": json.dumps(json_schema(name), indent=2, ensure_ascii=False) + "\n"
        for name in _MODELS
    }


def modeline(name: SchemaName, folder: str = "") -> str:
    """The first line of a configuration file, by which editors find its schema.

    Args:
        name: of the schema.
        folder: of the file below the configuration folder, for example ``sql/gold``; empty for the folder itself.
    """
    up = "../" * len([part for part in folder.split("/") if part])
    return f"# yaml-language-server: $schema={up}{FOLDER}/{name}.schema.json"


def json_schema(name: SchemaName) -> dict[str, Any]:
    """The schema of one kind of file, in draft 7, the newest that all editors read."""
    schema = _MODELS[name].model_json_schema(ref_template="#/definitions/{model}", schema_generator=_EditorSchema)
    definitions = schema.pop("$defs", {})
    if name == "gold_model":
        _refuse_quarantine(definitions)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **schema,
        "title": f"Midnight: {name.replace('_', ' ')}",
        "definitions": definitions,
    }


def _refuse_quarantine(definitions: Mapping[str, Any]) -> None:
    """A check of a gold model must say ``fail`` or ``warn`` (``contract_problems``); the default is quarantine."""
    for definition in definitions.values():
        on_failure = definition["properties"].get("on_failure")
        if on_failure is not None:
            on_failure["enum"] = [value for value in get_args(OnFailure) if value != "quarantine"]
            del on_failure["default"]
            definition["required"] = [*definition["required"], "on_failure"]


class _EditorSchema(GenerateJsonSchema):
    """What the models accept from a YAML file; descriptions from their docstrings."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never: it would repeat the field's name."""
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        result = super().model_schema(schema)
        model = schema["cls"]
        result["description"] = model_description(model)
        described = {
            info.alias or name: text
            for name, text in field_descriptions(model).items()
            if (info := model.model_fields.get(name)) is not None
        }
        for name, field in result["properties"].items():
            if name in described:
                field["description"] = described[name].replace("``", "`")
            if field.get("default") in (None, "", [], {}):
                field.pop("default", None)
        return result

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        return {**super().int_schema(schema), "type": ["integer", "string"], "pattern": _INTEGER_TEXT}

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:
        return {"type": ["boolean", "string"], "pattern": _BOOLEAN_TEXT}

    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchemaValue:
        result = super().str_schema(schema)
        if "pattern" in result:
            result["pattern"] = _portable(result["pattern"])
        return result

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        return {"enum": [True, *_TRUE_TEXTS]} if schema["expected"] == [True] else super().literal_schema(schema)

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        inner = self.generate_inner(schema["schema"])
        if "enum" in inner or "const" in inner:
            return {"enum": [*inner.get("enum", [inner.get("const")]), None]}
        if "type" not in inner:
            return {"anyOf": [inner, {"type": "null"}]}
        types = inner["type"] if isinstance(inner["type"], list) else [inner["type"]]
        return {**inner, "type": [*types, "null"]}

    def union_schema(self, schema: core_schema.UnionSchema) -> JsonSchemaValue:
        result = super().union_schema(schema)
        parts = result.get("anyOf", [])
        # A text among the alternatives accepts every spelling of a number and a boolean.
        if {"type": "string"} in parts and all(set(_types(part)) <= _SCALARS for part in parts):
            return {"type": sorted({kind for part in parts for kind in _types(part)})}
        return result

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        result = super().tagged_union_schema(schema)
        result.pop("discriminator", None)  # of OpenAPI
        return result

    def tuple_schema(self, schema: core_schema.TupleSchema) -> JsonSchemaValue:
        result = super().tuple_schema(schema)
        items = result.pop("prefixItems", None)  # not in draft 7
        return result if items is None else {**result, "items": items[0]}


def _types(part: Mapping[str, Any]) -> list[str]:
    kinds = part.get("type", "object")
    return kinds if isinstance(kinds, list) else [kinds]


def _portable(pattern: str) -> str:
    inside = False
    result = []
    for piece in _pieces(pattern):
        inside = piece == "[" or (inside and piece != "]")
        word = _WORD_CHARACTERS if inside else f"[{_WORD_CHARACTERS}]"
        result.append(word if piece == r"\w" else piece)
    return "".join(result)


def _pieces(pattern: str) -> list[str]:
    """Characters, an escaped one with its backslash."""
    pieces: list[str] = []
    for character in pattern:
        if pieces and pieces[-1] == "\\":
            pieces[-1] += character
        else:
            pieces.append(character)
    return pieces

"""Generates ``docs/configuration.md`` from the models that validate the configuration."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from midnight.configuration import alerts, checks, columns, schedule, source, tables
from midnight.configuration import pipeline as pipeline_config
from midnight.configuration.base import field_descriptions
from midnight.silver_to_gold import models as gold_models
from tools.markdown_lines import list_item

_CHECKS = (
    checks.NotNull,
    checks.Unique,
    checks.AcceptedValues,
    checks.Range,
    checks.Pattern,
    checks.ForeignKey,
    checks.Expression,
)
_HEAD = """# Configuration

<!-- made from plugins/midnight by python -m tools.generated_files; do not edit -->

The files in `include/` describe what a pipeline loads, cleans and builds.
`make check`, `make doctor`, `make up` and the first task of each run check them before anything is
read.
They report all problems of all files at once, with file, line and field.
Editors with the YAML language server (in VS Code the extension Red Hat YAML) complete and validate
each file.
The first line of a file names its JSON Schema, which `include/schemas/` holds.
[own-database.md](own-database.md) shows how `make init` writes the folder,
[development-loop.md](development-loop.md) how to work with it.

| file | content |
|---|---|
| `pipeline.yml` | source, schedule, load groups |
| `tables/<schema>.<table>.yml` | loading and cleaning of a table |
| `sql/gold/<model>.sql` | Spark SQL over `silver.<table>` and `gold.<model>` |
| `sql/gold/<model>.yml` | the contract of the query |
| `sql/serving/<view>.sql` | a reporting view: T-SQL over `gold.<model>` |
| `report.yml` | figures and charts of the [local report](serving.md#the-report-local-profile) |

Each field below has its value, and its default if it has one; a field without a default that is
not required may be left out.
"""
_PIPELINE = """
## pipeline.yml

"""
_TABLE = """
## tables/&lt;schema&gt;.&lt;table&gt;.yml

Types are PostgreSQL types as `format_type` prints them (`\\d` in psql).
A row is processed in this order: trim, null texts, casts, null policy, duplicates, checks.
A row that fails a step goes to quarantine with the reason.

"""
_COLUMN = """
### columns

"""
_CHECK = """
### checks

Checks apply to the cleaned row; null passes all of them except `not_null`. Each check has

"""
_GOLD = """
## sql/gold/&lt;model&gt;.yml

The result of the query next to it is cast to these columns.
`on_failure` must be `fail` or `warn`, since no row is lost between silver and gold.

"""
_GOLD_COLUMN = """
### columns of a gold model

"""


def configuration_page(root: Path) -> dict[str, str]:
    """The page as path -> text.

    Args:
        root: not used; every source of files takes the repository.
    """
    del root
    base = tuple(checks.BaseCheck.model_fields)
    parts = [
        _HEAD,
        _PIPELINE,
        *_fields(pipeline_config.Pipeline),
        *_fields(source.Source, "source."),
        *_fields(schedule.Schedule, "schedule."),
        *_fields(source.LoadGroup, "groups[]."),
        *_fields(alerts.Alerts, "alerts."),
        *_fields(alerts.AlertChannel, "alerts.channels[]."),
        _TABLE,
        *_fields(tables.Table),
        _COLUMN,
        *_fields(columns.Column),
        _CHECK,
        *_fields(checks.BaseCheck),
        "\nand, by `rule`:\n\n",
        *(_check(check, base) for check in _CHECKS),
        _GOLD,
        *_fields(gold_models.GoldModelContract),
        _GOLD_COLUMN,
        *_fields(gold_models.GoldColumn),
    ]
    return {"docs/configuration.md": "".join(parts)}


def _fields(model: type[BaseModel], prefix: str = "") -> list[str]:
    """One entry of a list for each field."""
    described = field_descriptions(model)
    entries = []
    for name, info in model.model_fields.items():
        value = ", ".join(filter(None, [kind(info.annotation, info), _default(info)]))
        entries.append(list_item(f"`{prefix}{info.alias or name}` ({value}): {_plain(described[name])}"))
    return entries


def _check(model: type[BaseModel], base: Iterable[str]) -> str:
    shown = model.model_json_schema()["properties"]
    fields = {n: info for n, info in model.model_fields.items() if n in shown and n not in {*base, "rule"}}
    rule = get_args(model.model_fields["rule"].annotation)[0]
    shown = ", ".join(
        f"`{name}` ({kind(info.annotation, info)}{'' if info.is_required() else ', optional'})"
        for name, info in fields.items()
    )
    meaning = _plain(inspect.cleandoc(model.__doc__ or "").split("\n\n", maxsplit=1)[0])
    return list_item(f"`{rule}`" + (f" with {shown}" if shown else "") + f": {meaning}")


def kind(annotation: Any, field: FieldInfo | None = None) -> str:
    """The description of a type."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        if set(get_args(checks.Scalar)) <= set(arguments):
            return "value"
        return " or ".join(dict.fromkeys("`null`" if part is type(None) else kind(part) for part in arguments))
    if origin is tuple:
        lists = {str: "list of texts", checks.Scalar: "list of values"}
        return next((text for inner, text in lists.items() if inner == arguments[0]), "list, see below")
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "`{fill: value}`" if annotation is columns.Fill else "see below"
    words = {str: "text", int: "whole number", bool: "`true` or `false`", float: "number"}
    return words.get(annotation, "value") + ("" if field is None else _limits(field))


def _limits(field: FieldInfo) -> str:
    found = {name: getattr(m, name) for m in field.metadata for name in ("ge", "le") if hasattr(m, name)}
    if {"ge", "le"} <= found.keys():
        return f", {found['ge']} to {found['le']}"
    return f", from {found['ge']}" if "ge" in found else ""


def _default(field: FieldInfo) -> str:
    if field.is_required() or field.default is PydanticUndefined:
        return "required"
    value = field.default
    if value is None or value in ("", ()):
        return ""
    if isinstance(value, BaseModel) or (isinstance(value, tuple) and isinstance(value[0], BaseModel)):
        return "default as below"
    if isinstance(value, tuple):
        return f"default `[{', '.join(map(str, value))}]`"
    return f"default `{str(value).lower() if isinstance(value, bool) else value}`"


def _plain(text: str) -> str:
    """A docstring's text as one line of Markdown."""
    return " ".join(text.replace("``", "`").split())

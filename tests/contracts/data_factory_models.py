"""Compares a Data Factory document with the models of azure-mgmt-datafactory, strictly.

As they are, the models take everything: an unknown type becomes the base class, an unknown property is kept next to
the others, a required one may be missing. Here each of these is a problem.
"""

import enum
import types
import typing
from typing import Any, Literal, Union, get_args, get_origin

from azure.mgmt.datafactory import models
from azure.mgmt.datafactory.models import _models

RESOURCES = {
    "linkedService": models.LinkedServiceResource,
    "dataset": models.DatasetResource,
    "pipeline": models.PipelineResource,
}
_NAMES = {"_models": types.SimpleNamespace(**{**vars(_models), **vars(models)}), "datetime": __import__("datetime")}
_SCALARS = {str: str, int: int, bool: bool, float: (int, float)}


def problems_of(kind: str, document: Any) -> list[str]:
    """Problems of a document of the Git integration.

    Args:
        kind: its folder.
        document: its content.
    """
    return _model(RESOURCES[kind], document, kind)


def _model(declared: Any, document: Any, place: str) -> list[str]:
    if not isinstance(document, dict):
        return [f"{place}: {document!r} is not an object"]
    model, kinds = declared, _discriminated(declared)
    if kinds:
        if document.get("type") not in kinds:
            return [f"{place}.type: {document.get('type')!r} is unknown"]
        model = kinds[document["type"]]
    model.__new__(model)  # makes the fields known
    hints = typing.get_type_hints(model, vars(_models) | _NAMES)
    fields = {field._rest_name: (name, field) for name, field in model._attr_to_rest_field.items()}
    problems = [f"{place}.{key}: is not a property of {model.__name__}" for key in document if key not in fields]
    for key, (name, field) in fields.items():
        hint = hints[name]
        optional = type(None) in get_args(hint) or field._visibility == ["read"]
        if key in document:
            problems += _value(hint, document[key], f"{place}.{key}")
        elif (not optional and hint is not Any) or hint is Any:
            problems.append(f"{place}.{key}: is missing")
    return problems


def _value(hint: Any, value: Any, place: str) -> list[str]:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        enums = [inner for inner in arguments if isinstance(inner, type) and issubclass(inner, enum.Enum)]
        inner = enums or [inner for inner in arguments if inner is not type(None)]  # "str or enum": only its values
        return min((_value(one, value, place) for one in inner), key=len)
    if origin in (list, dict):
        if not isinstance(value, origin):
            return [f"{place}: {value!r} is not of type {origin.__name__}"]
        parts = value.items() if origin is dict else enumerate(value)
        return [problem for key, part in parts for problem in _value(arguments[-1], part, f"{place}.{key}")]
    if isinstance(hint, type) and issubclass(hint, models.ActivityDependency.__mro__[1]):
        return _model(hint, value, place)
    return _scalar(hint, value, place)


def _scalar(hint: Any, value: Any, place: str) -> list[str]:
    if hint is Any:  # a constant or an expression
        right = not isinstance(value, dict) or (set(value) == {"value", "type"} and value["type"] == "Expression")
        wanted = "a constant or an expression"
    elif hint in _SCALARS:
        right = isinstance(value, _SCALARS[hint]) and (hint is bool or not isinstance(value, bool))
        wanted = f"a value of type {hint.__name__}"
    else:
        known = get_args(hint) if get_origin(hint) is Literal else [member.value for member in hint]
        right = value in known
        wanted = f"one of {known}"
    return [] if right else [f"{place}: {value!r} is not {wanted}"]


def _discriminated(declared: Any) -> dict[str, type]:
    """Value of ``type`` -> class, over all levels: Copy is a kind of Execution, which is a kind of Activity."""
    found: dict[str, type] = {}
    for value, model in vars(declared).get("__mapping__", {}).items():
        if model is not declared:
            found |= {value: model} | _discriminated(model)
    return found

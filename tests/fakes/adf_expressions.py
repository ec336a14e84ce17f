"""The few expressions that the committed pipeline uses; Microsoft's own engine evaluates them all in another test.

Source: "Expressions and functions in Azure Data Factory".
"""

from __future__ import annotations

import json
import re
from typing import Any

_TOKEN = re.compile(r"\s*(?:'((?:[^']|'')*)'|(\w+)\(|(\.\w+)|(,)|(\)))")


def resolve(value: Any, scope: dict[str, Any]) -> Any:
    """A definition with its expressions replaced by their values.

    Args:
        value: of the definition, any depth.
        scope: ``item``, ``pipeline``, ``dataset``: results of the functions of that name.

    Raises:
        ValueError: an expression that this stand-in does not know.
    """
    if isinstance(value, dict):
        if value.get("type") == "Expression":
            return evaluate(value["value"], scope)
        return {key: resolve(inner, scope) for key, inner in value.items()}
    return [resolve(inner, scope) for inner in value] if isinstance(value, list) else value


def evaluate(expression: str, scope: dict[str, Any]) -> Any:
    """The value of one expression, which starts with ``@``.

    Raises:
        ValueError: the stand-in does not know it.
    """
    tokens = _TOKEN.findall(expression, 1)
    if not expression.startswith("@") or "".join(_TOKEN.sub("", expression[1:]).split()):
        raise ValueError(f"the stand-in does not know the expression {expression!r}")
    value, rest = _term(tokens, scope)
    if rest:
        raise ValueError(f"the stand-in does not know the expression {expression!r}")
    return value


def _term(tokens: list[tuple[str, ...]], scope: dict[str, Any]) -> tuple[Any, list[tuple[str, ...]]]:
    (text, function, *_), rest = tokens[0], tokens[1:]
    if not function:
        return text.replace("''", "'"), rest
    arguments = []
    while not rest[0][4]:
        argument, rest = _term(rest, scope)
        arguments.append(argument)
        rest = rest[1:] if rest[0][3] else rest
    rest = rest[1:]
    if function == "concat":
        value: Any = "".join(arguments)
    elif function == "json":
        value = json.loads(arguments[0])
    elif function == "empty":
        value = not arguments[0]
    else:
        value = scope[function]
    while rest and rest[0][2]:
        value, rest = value[rest[0][2][1:]], rest[1:]
    return value, rest

"""Validates a configuration file like an editor with the YAML language server."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator

_MODELINE = re.compile(r"# yaml-language-server: \$schema=(\S+)")


class _Yaml12Loader(yaml.SafeLoader):
    """The core schema of YAML 1.2: ``yes`` and ``2013-01-01`` are texts, ``1e3`` is a number."""


_Yaml12Loader.yaml_implicit_resolvers = {}
for tag, pattern, first in (
    ("null", r"null|Null|NULL|~|", "nN~"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    _Yaml12Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), [*first, *([""] if tag == "null" else [])]
    )


def editor_problems(path: Path) -> list[str]:
    """Problems of a file by the schema that its first line names.

    Raises:
        AssertionError: the first line names no schema, or one that does not exist.
    """
    text = path.read_text(encoding="utf-8")
    modeline = _MODELINE.fullmatch(text.partition("\n")[0])
    assert modeline, f"{path}: the first line names no schema"
    schema = path.parent / modeline[1]
    assert schema.is_file(), f"{path}: {schema} does not exist"
    return schema_problems(schema.read_text(encoding="utf-8"), load_yaml_12(text))


def schema_problems(schema: str, data: Any) -> list[str]:
    """Messages of a validator, each with its place in the data.

    Args:
        schema: its text.
        data: of the file.
    """
    return [f"{error.json_path}: {error.message}" for error in _validator(schema).iter_errors(data)]


@functools.cache
def _validator(schema: str) -> Draft7Validator:
    """One per schema: it looks up the references inside it once."""
    return Draft7Validator(json.loads(schema))


def load_yaml_12(text: str) -> Any:
    """The data of a file as an editor reads it."""
    return yaml.load(text, Loader=_Yaml12Loader)  # noqa: S506 - a SafeLoader

"""YAML files with line numbers, so that every configuration error has a file and a line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.reader import ReaderError
from yaml.resolver import Resolver

from midnight.configuration.text_files import unreadable
from midnight.errors import ConfigurationProblem

Model = TypeVar("Model", bound=BaseModel)
Location = Sequence[int | str]


# A composer in C recurses on the stack of the process, which such a nesting cannot exceed.
_SAFE_NESTING = 2000
_BaseLoader: Any = yaml.SafeLoader
_ShallowLoader: Any = yaml.SafeLoader
if yaml.__with_libyaml__:
    _CParser: Any = getattr(yaml.cyaml, "CParser")  # noqa: B009 - missing in the type stubs

    class _FastLoader(Composer, _CParser, SafeConstructor, Resolver):  # type: ignore[misc]
        """PyYAML's SafeLoader on libyaml, seven times faster. Its own ``CSafeLoader`` crashes on deep nesting.

        Only scanning and parsing are done in C; the composer in Python raises RecursionError.
        """

        def __init__(self, text: str) -> None:
            _CParser.__init__(self, text)
            Composer.__init__(self)
            SafeConstructor.__init__(self)
            Resolver.__init__(self)

    _BaseLoader, _ShallowLoader = _FastLoader, yaml.CSafeLoader


class _LocatedErrors:
    """A safe loader whose errors about invalid values (``2013-02-30``, a number of 5,000 digits) have a line."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # PyYAML's signature
        try:
            return super().construct_object(node, deep)  # type: ignore[misc]
        except (ValueError, OverflowError) as error:
            text = str(node.value)
            shown = text if len(text) < 80 else f"{text[:77]}..."
            raise yaml.MarkedYAMLError(problem=f"{shown!r}: {error}", problem_mark=node.start_mark) from error


class _Loader(_LocatedErrors, _BaseLoader):  # type: ignore[misc]
    """For any text."""


class _FastestLoader(_LocatedErrors, _ShallowLoader):  # type: ignore[misc]
    """For a text that is not nested deeply: it composes in half of the time."""


def _may_be_deep(text: str) -> bool:
    """Whether a text may be nested deeply: two levels need a bracket, or a column of a line."""
    brackets = text.count("[") + text.count("{")
    return 2 * (brackets + max(map(len, text.split("\n")))) > _SAFE_NESTING


class YamlDocument:
    """A parsed YAML file with the line of each field.

    Args:
        path: the file, for messages shown relative to ``base``.
        base: the configuration folder.

    Attributes:
        data: the plain Python value; None when the file cannot be parsed.
        problems: syntax errors and duplicate keys.
    """

    def __init__(self, path: Path, base: Path) -> None:
        self.where = str(path.relative_to(base)) if path.is_relative_to(base) else str(path)
        self.problems: list[ConfigurationProblem] = []
        self.data: Any = None
        self._root: yaml.Node | None = None
        try:
            text = path.read_text(encoding="utf-8")
            loader = (_Loader if _may_be_deep(text) else _FastestLoader)(text)
            self._root = loader.get_single_node()
            self._find_duplicate_keys(self._root, "", set())
            self.data = None if self._root is None else loader.construct_document(self._root)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else None
            if line is not None:
                line = max(1, min(line, len(text.splitlines())))  # PyYAML counts the end of the file as a line
            self._report(line, "", f"not valid YAML: {error.problem}")
        except ReaderError as error:
            before = text.encode()[: error.position] if yaml.__with_libyaml__ else text[: error.position].encode()
            line = before.count(b"\n") + 1  # libyaml counts bytes
            self._report(
                line, "", f"not valid YAML: the character {chr(error.character)!r} is not allowed; hint: remove it"
            )
        except RecursionError:
            self._report(1, "", "not valid YAML: it is nested too deeply or contains itself")
        except (OSError, UnicodeDecodeError) as error:
            line, message = unreadable(error)
            self._report(line, "", message)

    def line(self, location: Location) -> int | None:
        """Line (from 1) of the deepest part of ``location`` that exists in the file."""
        node, line = self._root, None if self._root is None else self._root.start_mark.line + 1
        for step in location:
            found = _child(node, step)
            if found is not None:
                node, line = found[1], found[0].start_mark.line + 1
        return line

    def problem_in_text(self, location: Location, line: int, message: str) -> ConfigurationProblem:
        """A problem at a line (from 1) of a text value: that line of a literal block (``|``), else the field's line."""
        node, shown = self._root, self.line(location)
        for step in location:
            found = _child(node, step)
            node = found[1] if found is not None else None
        if isinstance(node, yaml.ScalarNode) and node.style == "|":
            shown = int(node.start_mark.line) + 1 + line
        return ConfigurationProblem(self.where, shown, _dotted(location), message)

    def validate(self, model: type[Model]) -> Model | None:
        """The file as ``model``; None if it is not valid, with the reasons added to ``problems``."""
        if self.problems:
            return None
        try:
            return model.model_validate(self.data if self.data is not None else {})
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                for location, message in _explain(detail):
                    known = self._known_part(location, keep_last=detail["type"] == "missing")
                    self._report(self.line(known), _dotted(known), message)
            return None

    def problem(self, location: Location, message: str) -> ConfigurationProblem:
        """A problem that the caller found, with the file and line of a field."""
        return ConfigurationProblem(self.where, self.line(location), _dotted(location), message)

    def _report(self, line: int | None, field: str, message: str) -> None:
        self.problems.append(ConfigurationProblem(self.where, line, field, message))

    def _known_part(self, location: Location, *, keep_last: bool) -> Location:
        """The location without the tags that pydantic adds for unions, which are not fields of the file."""
        node, known = self._root, []
        for position, step in enumerate(location):
            found = _child(node, step)
            if found is not None:
                node = found[1]
                known.append(step)
            elif keep_last and position == len(location) - 1:
                known.append(step)
        return known

    def _find_duplicate_keys(self, node: yaml.Node | None, field: str, known: set[int]) -> None:
        """``known``: nodes already visited; an alias is the same node again, possibly one that contains it."""
        if id(node) in known:
            return
        known.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self._find_duplicate_keys(item, f"{field}[{index}]", known)
        if not isinstance(node, yaml.MappingNode):
            return
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # constructing the document refuses a key that is a list or a mapping
            name = f"{field}.{key.value}" if field else str(key.value)
            if key.value in seen:
                self._report(key.start_mark.line + 1, name, "is defined twice; hint: keep one")
            seen.add(key.value)
            self._find_duplicate_keys(value, name, known)


def _child(node: yaml.Node | None, step: int | str) -> tuple[yaml.Node, yaml.Node] | None:
    """The node whose line is a child's line (its key, or the item of a list), and the child."""
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step]
    return None


def _dotted(location: Location) -> str:
    return "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in location).lstrip(".")


def located_error(problems: Sequence[tuple[Location, str]]) -> PydanticCustomError:
    """The error that a model validator raises for problems with known locations.

    Args:
        problems: pairs of location and message.
    """
    text = "; ".join(f"{_dotted(location)}: {message}" for location, message in problems)
    return PydanticCustomError("located", "{text}", {"text": text, "problems": tuple(problems)})


_FIXED_MESSAGES = {
    "missing": "is missing; hint: add it",
    "extra_forbidden": "is not a known field; hint: remove it or correct its spelling",
    "too_short": "is empty; hint: add at least one item",
    "union_tag_not_found": "has no rule; hint: add rule",
    "recursion_loop": "contains itself; hint: write it without the alias",
}
_TYPES = {"tuple": "list", "dictionary": "mapping"}
_WRONG_TYPE = re.compile(r"Input should be a valid (\w+)")
_WRONG_VALUE = re.compile(r"(?:Input|String|Tuple|Dictionary) (should .+)")


def _explain(detail: Any) -> list[tuple[Location, str]]:
    """pydantic's error as pairs of location and message, with the value and a hint."""
    location, kind, context = tuple(detail["loc"]), detail["type"], detail.get("ctx", {})
    if kind == "located":
        return [((*location, *inner), message) for inner, message in context["problems"]]
    if kind == "too_short" and detail["input"]:
        return []  # the error of each item is reported
    if kind == "union_tag_invalid":
        location = (*location, context["discriminator"].strip("'"))
        return [(location, f"{context['tag']!r} is not a valid rule; hint: one of {context['expected_tags']}")]
    return [(location, _FIXED_MESSAGES.get(kind) or _message(detail["msg"], kind, detail["input"], context))]


def _message(text: str, kind: str, value: Any, context: Any) -> str:
    shown = "null" if value is None else repr(value) if len(repr(value)) < 80 else f"{repr(value)[:77]}..."
    if kind == "model_type":
        return f"{shown} is not a mapping; hint: write each field on its own line as name: value"
    if kind == "invalid_key":
        return "is not a valid field name; hint: put it in quotes"
    if kind == "literal_error":
        return f"{shown} is not a valid value; hint: {context['expected']}"
    if found := _WRONG_TYPE.match(text):
        # YAML reads no, on and 1.10 as booleans and numbers.
        hint = "; hint: put it in quotes" if kind == "string_type" and isinstance(value, bool | int | float) else ""
        return f"{shown} is not a valid {_TYPES.get(found[1], found[1])}{hint}"
    if found := _WRONG_VALUE.match(text):
        return f"{shown} is not a valid value; hint: it {found[1]}"
    return text.removeprefix("Value error, ")

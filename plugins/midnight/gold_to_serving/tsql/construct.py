"""A row of the table of constructs, and the call that a function translates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql.conversions import convert, implicit_text
from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.types import INT, SqlType

if TYPE_CHECKING:
    from midnight.gold_to_serving.tsql.expressions import Expressions
    from midnight.gold_to_serving.tsql.scope import Scope


class UnknownError(Exception):
    """A part of an expression was refused, and its problem recorded; the rest cannot be translated."""


@dataclass(frozen=True)
class Construct:
    """A construct that is translated.

    Args:
        name: of the function or operator.
        category: its section on the page docs/tsql.md.
        signature: arguments and result, as documented.
        example: T-SQL and its documented result, or a remark.
        page: of Microsoft's documentation, below learn.microsoft.com/sql/t-sql.
        translate: returns DuckDB's SQL of a call; None for constructs that the grammar translates.
        arguments: minimum and maximum number of arguments.
    """

    name: str
    category: str
    signature: str
    example: str
    page: str
    translate: Callable[[FunctionCall], Typed] | None = None
    arguments: tuple[int, int] = (0, 255)


@dataclass(frozen=True)
class Refused:
    """A known construct that is refused, with the reason and another way to write it."""

    name: str
    reason: str
    hint: str


@dataclass
class FunctionCall:
    """A call whose arguments are translated on demand."""

    node: s.Call
    scope: Scope
    expressions: Expressions
    _values: dict[int, Typed] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(self.node.arguments)

    def value(self, index: int) -> Typed:
        """An argument in its own type."""
        if index >= self.count:
            raise self.refused(f"{self.node.name} has {self.count} arguments", "docs/tsql.md shows its arguments")
        if index not in self._values:
            self._values[index] = self.expressions.value(self.node.arguments[index], self.scope)
        return self._values[index]

    def values(self, start: int = 0) -> list[Typed]:
        """The arguments from ``start`` on; the problems of all of them are recorded before UnknownError is raised."""
        return self.expressions.values(self.node.arguments[start:], self.scope)

    def converted(self, index: int, type_: SqlType) -> str:
        """An argument, implicitly converted to another type."""
        return convert(self.value(index), type_, self.node.line).sql

    def text(self, index: int) -> Typed:
        """An argument, implicitly converted to text."""
        value = self.value(index)
        if value.is_null:
            return convert(value, SqlType("varchar", length=1), self.node.line)
        if value.type.kind in ("varbinary", "datetimeoffset"):
            raise self.refused(
                f"{self.node.name} of {value.type} is not supported", "CAST it to a text or datetime2 first"
            )
        return implicit_text(value, self.node.line)

    def whole(self, index: int) -> str:
        """An argument, implicitly converted to int."""
        value = self.value(index)
        return str(value.integer) if value.integer is not None else self.converted(index, INT)

    def constant_text(self, index: int, what: str) -> str:
        """A text argument that must be a constant."""
        text = self.value(index).text
        if text is None:
            raise self.refused(f"{self.node.name}: {what} must be a constant", f"write {what} as 'text'")
        return text

    def word(self, index: int, what: str) -> str:
        """A keyword argument such as ``day``, in lower case."""
        node = self.node.arguments[index]
        if not isinstance(node, s.Name) or len(node.parts) != 1:
            raise self.refused(f"{self.node.name}: {what} must be a word", f"for example {self.node.name}(day, …)")
        return node.parts[0].lower()

    def refused(self, message: str, hint: str = "") -> RefusedError:
        return RefusedError(self.node.line, message, hint)


Translate = Callable[[FunctionCall], Typed]


def by_name(tables: Sequence[Sequence[Construct]]) -> dict[str, Construct]:
    """Return the functions of several tables by name."""
    return {row.name: row for table in tables for row in table if row.translate is not None}

"""References to ``silver.<table>`` and ``gold.<model>`` in Spark SQL, found by tokens and replaced by position.

The rest of a query is unchanged, comments and layout included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlglot import exp

_LAYERS = ("silver", "gold")
# A model only depends on silver: one that uses the time or a random number would differ from its rebuild, and would not
# be built again in a run without changes.
NOT_REPRODUCIBLE = {
    *("current_date", "current_timestamp", "curdate", "now", "localtimestamp", "current_user", "session_user", "user"),
    *("rand", "random", "randn", "randstr", "uniform", "uuid", "shuffle", "input_file_name", "spark_partition_id"),
    *("monotonically_increasing_id", "current_catalog", "current_database", "current_schema", "current_timezone"),
    *("current_time", "getdate", "sysdate", "version", "input_file_block_start", "input_file_block_length"),
    *("java_method", "reflect", "try_reflect"),
}
# Apache Spark replaces these texts by the time of the query where a date or a timestamp is wanted, Sail fails.
_TIMES_OF_THE_QUERY = {"now", "today", "tomorrow", "yesterday"}
_OF_TIMES = ("date", "time", "tsords", "month", "day", "utc")


@dataclass(frozen=True)
class Span:
    """A reference in a text: its position (end excluded) and its name."""

    start: int
    end: int
    line: int
    reference: str


@dataclass(frozen=True)
class ParsedSql:
    """A query or condition.

    Args:
        text: as written, without the final semicolon.
        spans: its references, in order.
        problems: line (if known) and message.
    """

    text: str
    spans: tuple[Span, ...] = ()
    problems: tuple[tuple[int | None, str], ...] = ()

    @property
    def references(self) -> tuple[tuple[int, str], ...]:
        """Line and ``silver.<table>`` or ``gold.<model>`` as written, each once."""
        first: dict[str, int] = {}
        for span in self.spans:
            first.setdefault(span.reference, span.line)
        return tuple((line, reference) for reference, line in first.items())

    def with_views(self, known: Mapping[str, str]) -> str:
        """The text to run: references are replaced by the names of temporary views.

        Args:
            known: reference in lower case -> reference with the spelling of its definition.
        """
        parts, position = [], 0
        for span in self.spans:
            resolved = known.get(span.reference.casefold(), span.reference)
            parts += [self.text[position : span.start], view_name(resolved)]
            position = span.end
        return "".join([*parts, self.text[position:]])


def view_name(reference: str) -> str:
    """``silver.flights`` -> ``silver__flights``."""
    return reference.replace(".", "__", 1)


def parse_query(text: str) -> ParsedSql:
    """One query: a SELECT, with or without CTEs and set operations."""
    from sqlglot import exp

    return _parse(text, exp.Query, "a query (SELECT or WITH … SELECT)")


def parse_condition(text: str) -> ParsedSql:
    """A condition of a check; with references it is a condition on tables, not on single rows."""
    from sqlglot import exp

    parsed = _parse(f"SELECT {text}", exp.Query, "a condition")
    moved = [Span(s.start - 7, s.end - 7, s.line, s.reference) for s in parsed.spans]
    return ParsedSql(parsed.text[7:], tuple(moved), parsed.problems)


def _parse(text: str, kind: type[exp.Expr], wanted: str) -> ParsedSql:
    import sqlglot
    from sqlglot.errors import ParseError, TokenError

    try:
        tokens = sqlglot.tokenize(text, read="spark")
        statements = [statement for statement in sqlglot.parse(text, read="spark") if statement is not None]
    except ParseError as error:
        detail = error.errors[0]
        near = f"{detail['start_context']}{detail['highlight']}{detail['end_context']}".strip()
        message = f"does not parse as Spark SQL: {detail['description'].partition('<')[0].strip()} near {near!r}"
        return ParsedSql(text, problems=((detail["line"], message),))
    except TokenError as error:
        return ParsedSql(text, problems=((None, f"does not parse as Spark SQL: {error}"),))
    if len(statements) != 1:
        return ParsedSql(text, problems=((None, f"has {len(statements)} statements; hint: write one query"),))
    statement = statements[0]
    if not isinstance(statement, kind):
        return ParsedSql(text, problems=((None, f"is {statement.key.upper()}, not {wanted}"),))
    while tokens and tokens[-1].token_type.name == "SEMICOLON":
        text = text[: tokens.pop().start]
    spans = tuple(_find_references(tokens))
    return ParsedSql(text, spans, (*_unqualified_tables(statement), *_irreproducible_calls(statement)))


def _find_references(tokens: list[Any]) -> list[Span]:
    """``silver . flights`` as three tokens, not preceded by another dot. Comments and literals are other tokens."""
    spans = []
    for index in range(len(tokens) - 2):
        layer, dot, name = tokens[index : index + 3]
        follows_dot = index > 0 and tokens[index - 1].token_type.name == "DOT"
        names = layer.token_type.name in ("VAR", "IDENTIFIER") and dot.token_type.name == "DOT"
        if names and not follows_dot and layer.text.lower() in _LAYERS and name.token_type.name != "STAR":
            spans.append(Span(layer.start, name.end + 1, layer.line, f"{layer.text.lower()}.{name.text}"))
    return spans


def _unqualified_tables(statement: exp.Expr) -> list[tuple[int | None, str]]:
    """Tables that are neither a reference nor a CTE of the query."""
    from sqlglot import exp

    local = {cte.alias.casefold() for cte in statement.find_all(exp.CTE)}
    problems: list[tuple[int | None, str]] = []
    for table in statement.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            continue  # a table function such as explode or range
        layer = table.db.casefold()
        if table.catalog or (layer and layer not in _LAYERS) or (not layer and table.name.casefold() not in local):
            shown = ".".join(part.name for part in table.parts)
            line = table.this.meta.get("line")
            problems.append((line, f"reads {shown!r}; hint: use silver.<table> or gold.<model>"))
    return problems


def _irreproducible_calls(statement: exp.Expr) -> list[tuple[int | None, str]]:
    from sqlglot import exp

    problems: list[tuple[int | None, str]] = []
    for call in statement.find_all(exp.Func):
        name = (call.name if isinstance(call, exp.Anonymous) else call.sql_name()).lower()
        if name in NOT_REPRODUCIBLE:
            message = f"calls {name}, whose result is not reproducible; hint: a model may only depend on silver"
            problems.append((call.meta.get("line"), message))
    for literal in statement.find_all(exp.Literal):
        if literal.is_string and [*literal.name.casefold().split(), ""][0] in _TIMES_OF_THE_QUERY and _as_time(literal):
            message = f"{literal.name!r} is the time of the query, so that its result is not reproducible; hint: "
            problems.append((literal.meta.get("line"), f"{message}a model may only depend on silver"))
    return problems


def _as_time(literal: exp.Expr) -> bool:
    """Whether a text is used as a date or timestamp; with = and IN it may be compared with a text."""
    from sqlglot import exp

    parent = literal.parent
    while isinstance(parent, exp.Paren):
        parent = parent.parent
    if isinstance(parent, exp.Cast):
        return bool(parent.to.is_type(*exp.DataType.TEMPORAL_TYPES))
    if isinstance(parent, exp.LT | exp.LTE | exp.GT | exp.GTE | exp.Between):
        return True
    return isinstance(parent, exp.Func) and any(part in parent.key for part in _OF_TIMES)

"""Spark SQL as a syntax tree whose functions keep their names, and whose nodes keep their positions."""

from __future__ import annotations

from functools import cache
from typing import Any

Span = tuple[int, int]


@cache
def raw_spark_dialect() -> Any:
    """sqlglot's Spark dialect without its translations: a call stays a call, CAST and ``::`` stay Cast.

    Translations of functions (``date_add`` becomes ``TsOrDsAdd``) would hide the function that the engine runs.
    """
    from sqlglot import exp
    from sqlglot.dialects.spark import Spark

    base: Any = Spark.Parser
    generator: Any = Spark.Generator

    class RawParser(base):  # type: ignore[misc]
        FUNCTIONS: dict[str, Any] = {}  # noqa: RUF012 - sqlglot's own way of a dialect
        FUNCTION_PARSERS = {  # noqa: RUF012
            "CAST": lambda self: self._parse_cast(True),
            "TRY_CAST": lambda self: self._parse_cast(False, safe=True),
            "EXTRACT": lambda self: self._parse_extract(),
            "TRIM": lambda self: self._parse_trim(),
            "SUBSTRING": lambda self: self._parse_substring(),
            "POSITION": lambda self: self._parse_position(),
        }
        NO_PAREN_FUNCTION_PARSERS = {  # noqa: RUF012
            "CASE": lambda self: self._parse_case(),
        }
        STRICT_CAST = True

        def _parse_range(self, *arguments: Any, **options: Any) -> Any:
            return self._placed(super()._parse_range, *arguments, **options)

        def _parse_unary(self) -> Any:
            return self._placed(super()._parse_unary)

        def _parse_function(self, *arguments: Any, **options: Any) -> Any:
            return self._placed(super()._parse_function, *arguments, **options)

        def _parse_primary(self, *arguments: Any, **options: Any) -> Any:
            return self._placed(super()._parse_primary, *arguments, **options)

        def _parse_window(self, this: Any, *arguments: Any, **options: Any) -> Any:
            # A call without its FILTER and OVER ends here.
            if isinstance(this, exp.Anonymous) and self._prev:
                this.meta["call_end"] = self._prev.end + 1
            return super()._parse_window(this, *arguments, **options)

        def _placed(self, parse: Any, *arguments: Any, **options: Any) -> Any:
            first = self._curr
            node = parse(*arguments, **options)
            if isinstance(node, exp.Expr) and first and self._prev and "span" not in node.meta:
                node.meta["span"] = (first.start, self._prev.end + 1)
            return node

    class RawGenerator(generator):  # type: ignore[misc]
        # Without the rewrites of whole queries, such as QUALIFY as a subquery.
        TRANSFORMS = {key: value for key, value in generator.TRANSFORMS.items() if key is not exp.Select}  # noqa: RUF012
        TRANSFORMS[exp.NullSafeEQ] = lambda self, node: self.binary(node, "<=>")

    class RawSpark(Spark):
        Parser = RawParser
        Generator = RawGenerator

    return RawSpark()


def spark_text(node: Any) -> str:
    """Spark SQL of a syntax tree from ``parse_statements``; functions keep their spelling."""
    return str(node.sql(dialect=raw_spark_dialect(), normalize_functions=False, comments=False))


def parse_statements(text: str) -> list[Any]:
    """Parse the statements of a text.

    Raises:
        sqlglot.errors.SqlglotError: the text is not Spark SQL.
    """
    return [statement for statement in raw_spark_dialect().parse(text) if statement is not None]


def span(node: Any) -> Span | None:
    """Return the position of a node in its text (end excluded); None for a node without text."""
    if "whole_span" in node.meta:
        known: Span | None = node.meta["whole_span"]
        return known
    parts = [part for child in node.iter_expressions() if (part := span(child)) is not None]
    if "span" in node.meta:
        parts.append(node.meta["span"])
    if "start" in node.meta:
        parts.append((node.meta["start"], node.meta.get("call_end", node.meta["end"] + 1)))
    found = (min(start for start, _ in parts), max(end for _, end in parts)) if parts else None
    node.meta["whole_span"] = found
    return found


def line_of(text: str, node: Any) -> int | None:
    """Return the line (from 1) of a node's first character; its parent's for a node without text."""
    while node is not None:
        place = span(node)
        if place is not None:
            return text.count("\n", 0, place[0]) + 1
        node = node.parent
    return None

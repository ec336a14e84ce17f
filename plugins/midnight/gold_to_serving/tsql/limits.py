"""TOP and OFFSET FETCH. Source: "TOP", "ORDER BY clause"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from midnight.gold_to_serving.tsql import query_syntax as q
from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.sql_text import quote_identifier

if TYPE_CHECKING:
    from midnight.gold_to_serving.tsql.expressions import Expressions


@dataclass(frozen=True)
class Limit:
    """The number of rows that a sorted query returns.

    Args:
        count: rows, or a percentage; None is all.
        percent: of the rows, rounded up.
        with_ties: whether rows that are equal to the last one are included.
        offset: number of rows to skip.
    """

    count: str | None
    percent: bool = False
    with_ties: bool = False
    offset: int = 0

    def applied(self, sql: str, columns: list[str], order_by: str, alias: str) -> str:
        """Return the query with only those rows.

        Args:
            sql: a SELECT that has the columns to sort by.
            columns: to select.
            order_by: keys with their direction; empty when the order does not matter.
            alias: an unused name.
        """
        shown = ", ".join(columns)
        if not self.percent and not self.with_ties:
            order = f" ORDER BY {order_by}" if order_by else ""
            limit = f" LIMIT {self.count}" if self.count is not None else ""
            offset = f" OFFSET {self.offset}" if self.offset else ""
            return f"SELECT {shown} FROM (\n{sql}\n) AS {quote_identifier(alias)}{order}{limit}{offset}"
        function = "rank" if self.with_ties else "row_number"
        counted = f'{function}() OVER (ORDER BY {order_by}) AS "place", count(*) OVER () AS "all rows"'
        most = self.count
        if self.percent:
            most = f"ceil(\"all rows\" * CAST('{self.count}' AS DECIMAL(9,4)) / 100)"
        numbered = f"SELECT *, {counted} FROM (\n{sql}\n) AS {quote_identifier(alias)}"
        return f'SELECT {shown} FROM ({numbered}) AS {quote_identifier(f"{alias} numbered")} WHERE "place" <= {most}'


def limit_of(e: Expressions, query: q.Query, top: q.Top | None) -> Limit | None:
    """Return the limit of TOP or OFFSET; None when there is neither.

    Raises:
        RefusedError: T-SQL rejects it, or the rows would not be deterministic.
    """
    if top is not None and query.offset is not None:
        raise RefusedError(query.line, "TOP and OFFSET cannot be combined", "use OFFSET … FETCH only")
    if top is not None:
        count = _number(top.count, "TOP", top.percent)
        everything = top.percent and float(count) == 100
        if not query.order and not everything:
            raise RefusedError(
                top.line, "TOP without ORDER BY shows other rows each time", "add ORDER BY with a unique column last"
            )
        if top.percent and float(count) > 100:
            raise RefusedError(top.line, f"TOP ({count}) PERCENT is an error", "write at most 100")
        return Limit(None) if everything else Limit(count, top.percent, top.with_ties)
    if query.offset is not None:
        fetch = _number(query.fetch, "FETCH", False) if query.fetch is not None else None
        if fetch == "0":
            raise RefusedError(query.line, "FETCH NEXT 0 ROWS is an error", "write at least 1")
        return Limit(fetch, offset=int(_number(query.offset, "OFFSET", False)))
    return None


def _number(node: s.Node, what: str, percent: bool) -> str:
    kinds = ("int", "decimal") if percent else ("int",)
    if not isinstance(node, s.Literal) or node.kind not in kinds:
        raise RefusedError(node.line, f"{what} needs a constant in a view", "write the number")
    return node.text

"""T-SQL's grammar of function calls, WITHIN GROUP and OVER. Source: "OVER clause"."""

from __future__ import annotations

from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql.parse_condition import ConditionParser
from midnight.gold_to_serving.tsql.problems import RefusedError


class CallParser(ConditionParser):
    """Adds calls to the parser of conditions."""

    def _call(self) -> s.Node:
        token = self.advance()
        self.advance()
        distinct = self.accept("DISTINCT")
        if not distinct:
            self.accept("ALL")
        arguments: list[s.Node] = []
        if not self.at(")"):
            arguments.append(self._argument(token.upper))
            while self.accept(","):
                arguments.append(self._argument(token.upper))
        self.expect(")")
        within: tuple[s.OrderItem, ...] = ()
        if self.at("WITHIN"):
            self.advance()
            self.expect("GROUP")
            self.expect("(")
            within = self.order_items()
            self.expect(")")
        if self.token.upper in ("IGNORE", "RESPECT") or self.at("FILTER"):
            raise RefusedError(
                self.token.line,
                f"{self.token.upper} is not supported in Synapse serverless",
                "use CASE inside the function",
            )
        over = self._over() if self.at("OVER") else None
        return s.Call(token.upper, tuple(arguments), distinct, within, over, line=token.line)

    def _argument(self, function: str) -> s.Node:
        line = self.token.line
        if self.accept("*"):
            return s.Star(line=line)
        value = self.condition()
        if function == "TRIM" and self.accept("FROM"):  # TRIM(characters FROM text)
            return s.Call("FROM", (value, self.condition()), line=line)
        return value

    def order_items(self) -> tuple[s.OrderItem, ...]:
        self.expect("ORDER")
        self.expect("BY")
        items = [self._order_item()]
        while self.accept(","):
            items.append(self._order_item())
        return tuple(items)

    def _order_item(self) -> s.OrderItem:
        line = self.token.line
        expression = self.additive()
        descending = self.accept("DESC")
        if not descending:
            self.accept("ASC")
        if self.at("NULLS"):
            raise RefusedError(line, "T-SQL has no NULLS FIRST", "sort by CASE WHEN x IS NULL THEN 1 ELSE 0 END first")
        return s.OrderItem(expression, descending, line=line)

    def _over(self) -> s.Over:
        line = self.advance().line
        if not self.at("("):
            raise RefusedError(
                line, "a named WINDOW is not supported in Synapse", "write OVER (PARTITION BY … ORDER BY …)"
            )
        self.advance()
        partition: list[s.Node] = []
        if self.accept("PARTITION"):
            self.expect("BY")
            partition.append(self.additive())
            while self.accept(","):
                partition.append(self.additive())
        order = self.order_items() if self.at("ORDER") else ()
        frame = self._frame() if self.token.upper in ("ROWS", "RANGE", "GROUPS") else None
        self.expect(")")
        return s.Over(tuple(partition), order, frame, line=line)

    def _frame(self) -> s.Frame:
        token = self.advance()
        if token.upper == "GROUPS":
            raise RefusedError(token.line, "T-SQL has no GROUPS frame", "write ROWS BETWEEN …")
        if self.accept("BETWEEN"):
            start = self._bound()
            self.expect("AND")
            return s.Frame(token.upper, start, self._bound(), line=token.line)
        return s.Frame(token.upper, self._bound(), "CURRENT ROW", line=token.line)

    def _bound(self) -> str:
        token = self.advance()
        if token.upper == "CURRENT":
            self.expect("ROW")
            return "CURRENT ROW"
        if token.upper == "UNBOUNDED" or token.text.isdigit():
            return f"{token.text.upper()} {self.expect('PRECEDING', 'FOLLOWING').upper}"
        raise RefusedError(
            token.line, f"{token.text!r} is not a bound of a frame", "write a number, UNBOUNDED or CURRENT ROW"
        )

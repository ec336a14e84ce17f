"""T-SQL's grammar of expressions and conditions.

Source: "Operator precedence": ``~``; ``* / %``; ``+ - & ^ |``; comparisons; NOT; AND; BETWEEN IN LIKE ANY ALL and OR.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.tokens import RESERVED, Token

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMPARISONS = {"=": "=", "<>": "<>", "!=": "<>", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "!<": ">=", "!>": "<="}
# Reserved, but functions all the same.
_FUNCTIONS = frozenset({"COALESCE", "NULLIF", "LEFT", "RIGHT", "CONVERT", "TRY_CONVERT", "USER"})
_WITHOUT_PARENTHESES = frozenset(
    {"CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_USER", "SESSION_USER", "SYSTEM_USER", "USER"}
)
_TYPE_WORDS = ("CHARACTER", "CHAR", "NATIONAL", "DOUBLE", "BINARY")
_WORDS_AFTER = ("VARYING", "PRECISION", "CHARACTER", "CHAR")
_NO_CONSTANTS = {
    "TRUE": "compare a BIT column with = 1",
    "FALSE": "compare a BIT column with = 0",
    "INTERVAL": "write DATEADD(day, n, x)",
    "EXTRACT": "write DATEPART(part, x)",
}


class ExpressionParser:
    """Recursive descent over the tokens; ``query`` is added by the parser of queries."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._place = 0
        self.token = tokens[0]

    def query(self) -> s.Query:
        raise NotImplementedError

    # tokens

    def peek(self, ahead: int) -> Token:
        return self._tokens[min(self._place + ahead, len(self._tokens) - 1)]

    def advance(self) -> Token:
        token = self.token
        self._place = min(self._place + 1, len(self._tokens) - 1)
        self.token = self._tokens[self._place]
        return token

    def at(self, word: str) -> bool:
        return self.token.upper == word

    def accept(self, word: str) -> bool:
        if self.token.upper == word:
            self.advance()
            return True
        return False

    def expect(self, *words: str) -> Token:
        if self.token.upper in words:
            return self.advance()
        raise RefusedError(self.token.line, f"is not T-SQL: expected {' or '.join(words)}, found {self._found()}")

    def _found(self) -> str:
        return repr(self.token.text) if self.token.kind != "end" else "the end of the statement"

    def at_name(self) -> bool:
        return self.token.kind == "name" or (self.token.kind == "word" and self.token.upper not in RESERVED)

    def identifier(self, what: str) -> str:
        if self.at_name():
            return self.advance().text
        hint = f"write [{self.token.text}]: it is a reserved word" if self.token.kind == "word" else ""
        raise RefusedError(self.token.line, f"is not T-SQL: expected {what}, found {self._found()}", hint)

    def dotted_name(self) -> tuple[str, ...]:
        parts = [self.identifier("a name")]
        while self.accept("."):
            parts.append(self.identifier("a name"))
        return tuple(parts)

    def column_names(self) -> tuple[str, ...]:
        self.expect("(")
        names = [self.identifier("a column name")]
        while self.accept(","):
            names.append(self.identifier("a column name"))
        self.expect(")")
        return tuple(names)

    def alias(self) -> str:
        if self.accept("AS"):
            return self.advance().text if self.token.kind == "text" else self.identifier("a name after AS")
        if self.at_name() and self.token.upper not in (
            "OFFSET",
            "FETCH",
            "LIMIT",
            "QUALIFY",
            "WINDOW",
            "USING",
            "NATURAL",
        ):
            return self.advance().text
        return ""

    # conditions

    def condition(self) -> s.Node:
        left = self._and()
        while self.at("OR"):
            line = self.advance().line
            left = s.Logic("OR", left, self._and(), line=line)
        return left

    def _and(self) -> s.Node:
        left = self._not()
        while self.at("AND"):
            line = self.advance().line
            left = s.Logic("AND", left, self._not(), line=line)
        return left

    def _not(self) -> s.Node:
        if self.at("NOT"):
            line = self.advance().line
            return s.Not(self._not(), line=line)
        return self._predicate()

    def _predicate(self) -> s.Node:
        if self.at("EXISTS"):
            line = self.advance().line
            return s.Exists(self._query_in_parentheses(), line=line)
        left = self.additive()
        line, word = self.token.line, self.token.upper
        if word in _COMPARISONS:
            return self._comparison(left, _COMPARISONS[word], line)
        if word == "IS":
            return self._is(left, line)
        negated = word == "NOT" and self.peek(1).upper in ("IN", "LIKE", "BETWEEN")
        if negated:
            self.advance()
        if self.accept("IN"):
            return self._in(left, negated, line)
        if self.accept("LIKE"):
            pattern = self.additive()
            return s.Like(left, pattern, self.additive() if self.accept("ESCAPE") else None, negated, line=line)
        if self.accept("BETWEEN"):
            low = self.additive()
            self.expect("AND")
            return s.Between(left, low, self.additive(), negated, line=line)
        if word in ("ILIKE", "RLIKE", "REGEXP", "SIMILAR"):
            raise RefusedError(line, f"T-SQL has no {word}", "write LOWER(x) LIKE …")
        return left

    def _comparison(self, left: s.Node, operator: str, line: int) -> s.Node:
        self.advance()
        if self.token.upper in ("ANY", "SOME", "ALL"):
            quantifier = "ALL" if self.advance().upper == "ALL" else "ANY"
            return s.Quantified(operator, left, quantifier, self._query_in_parentheses(), line=line)  # type: ignore[arg-type]
        comparison = s.Comparison(operator, left, self.additive(), line=line)
        if self.token.upper in _COMPARISONS:
            raise RefusedError(self.token.line, "is not T-SQL: comparisons cannot be chained", "join them by AND")
        return comparison

    def _is(self, left: s.Node, line: int) -> s.Node:
        self.advance()
        negated = self.accept("NOT")
        if self.accept("DISTINCT"):
            self.expect("FROM")
            return s.DistinctFrom(left, self.additive(), negated, line=line)
        if not self.accept("NULL"):
            raise RefusedError(line, f"T-SQL has no IS {self.token.text}", "compare with =, or write IS NULL")
        return s.IsNull(left, negated, line=line)

    def _in(self, left: s.Node, negated: bool, line: int) -> s.In:
        if self._at_subquery():
            return s.In(left, (), self._query_in_parentheses(), negated, line=line)
        self.expect("(")
        items = [self.additive()]
        while self.accept(","):
            items.append(self.additive())
        self.expect(")")
        return s.In(left, tuple(items), None, negated, line=line)

    def _at_subquery(self) -> bool:
        ahead = 0
        while self.peek(ahead).upper == "(":
            ahead += 1
        return ahead > 0 and self.peek(ahead).upper in ("SELECT", "WITH")

    def _query_in_parentheses(self) -> s.Query:
        self.expect("(")
        query = self.query()
        self.expect(")")
        return query

    # values

    def additive(self) -> s.Node:
        left = self._term()
        while self.token.upper in ("+", "-", "&", "|", "^"):
            token = self.advance()
            left = s.Binary(token.text, left, self._term(), line=token.line)
        return left

    def _term(self) -> s.Node:
        left = self._unary()
        while self.token.upper in ("*", "/", "%"):
            token = self.advance()
            left = s.Binary(token.text, left, self._unary(), line=token.line)
        return left

    def _unary(self) -> s.Node:
        if self.token.upper in ("-", "+", "~"):
            token = self.advance()
            return s.Unary(token.text, self._unary(), line=token.line)
        value = self.primary()
        while True:
            line = self.token.line
            if self.accept("COLLATE"):
                value = s.Collate(value, self.identifier("a collation"), line=line)
            elif self.at("AT") and self.peek(1).upper == "TIME":
                self.advance()
                self.advance()
                self.expect("ZONE")
                value = s.AtTimeZone(value, self.primary(), line=line)
            else:
                return value

    def primary(self) -> s.Node:
        token = self.token
        if token.kind in ("number", "text", "ntext", "binary"):
            self.advance()
            return _constant(token)
        if self.at("("):
            if self._at_subquery():
                return s.Subquery(self._query_in_parentheses(), line=token.line)
            self.advance()
            inner = self.condition()
            if self.at(","):
                raise RefusedError(
                    token.line, "T-SQL has no row values (a, b)", "compare the columns one by one with AND"
                )
            self.expect(")")
            return inner
        if self.accept("NULL"):
            return s.Literal("null", line=token.line)
        if self.accept("CASE"):
            return self._case(token.line)
        if token.upper in _NO_CONSTANTS and self.peek(1).upper != ".":
            raise RefusedError(token.line, f"T-SQL has no {token.upper}", _NO_CONSTANTS[token.upper])
        if (
            token.upper in ("CAST", "TRY_CAST", "CONVERT", "TRY_CONVERT", "PARSE", "TRY_PARSE")
            and self.peek(1).upper == "("
        ):
            return self._conversion()
        if token.kind == "word" and self.peek(1).upper == "(" and (self.at_name() or token.upper in _FUNCTIONS):
            return self._call()
        if token.upper in _WITHOUT_PARENTHESES:
            self.advance()
            return s.Call(token.upper, line=token.line)
        return self._name()

    def _name(self) -> s.Node:
        line = self.token.line
        parts = [self.identifier("an expression")]
        while self.accept("."):
            if self.accept("*"):
                return s.Star(tuple(parts), line=line)
            parts.append(self.identifier("a column"))
        if self.at("("):
            raise RefusedError(
                line, f"{'.'.join(parts)}(…): user-defined functions are not supported", "write the expression"
            )
        return s.Name(tuple(parts), line=line)

    def _case(self, line: int) -> s.Case:
        operand = None if self.at("WHEN") else self.additive()
        branches = []
        while self.accept("WHEN"):
            condition = self.condition() if operand is None else self.additive()
            self.expect("THEN")
            branches.append((condition, self.condition()))
        otherwise = self.condition() if self.accept("ELSE") else None
        if not branches:
            self.expect("WHEN")
        self.expect("END")
        return s.Case(operand, tuple(branches), otherwise, line=line)

    def type_name(self) -> s.TypeName:
        line = self.token.line
        if self.token.kind not in ("word", "name"):
            raise RefusedError(line, f"is not T-SQL: expected a type, found {self._found()}")
        words = [self.advance().text]
        while words[0].upper in _TYPE_WORDS and self.token.upper in _WORDS_AFTER:
            words.append(self.advance().text)
        arguments = []
        if self.accept("("):
            arguments.append(self.advance().text)
            while self.accept(","):
                arguments.append(self.advance().text)
            self.expect(")")
        return s.TypeName(" ".join(words), tuple(arguments), line=line)

    def _conversion(self) -> s.Cast:
        token = self.advance()
        self.expect("(")
        style = None
        if token.upper in ("PARSE", "TRY_PARSE"):
            raise RefusedError(token.line, f"{token.upper} depends on a culture", "write TRY_CONVERT(type, x, style)")
        if token.upper.endswith("CAST"):
            operand = self.condition()
            self.expect("AS")
            type_name = self.type_name()
        else:
            type_name = self.type_name()
            self.expect(",")
            operand = self.condition()
            style = self.additive() if self.accept(",") else None
        self.expect(")")
        return s.Cast(token.upper, operand, type_name, style, line=token.line)

    def _call(self) -> s.Node:
        token = self.advance()
        self.advance()
        distinct = self.accept("DISTINCT")
        if not distinct:
            self.accept("ALL")
        arguments: list[s.Node] = []
        while not self.at(")"):
            arguments.append(self._argument(token.upper))
            if not self.accept(",") and not self.at(")"):
                self.expect(",", ")")
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


def _constant(token: Token) -> s.Literal:
    if token.kind != "number":
        return s.Literal(token.kind, token.text, line=token.line)  # type: ignore[arg-type]
    text = token.text.lower()
    if "e" in text:
        if not text[-1].isdigit():
            text += "0"  # 1e is 1e0
        return s.Literal("float", text, line=token.line)
    if "." in text or int(text) > 2**31 - 1:
        return s.Literal("decimal", text, line=token.line)
    return s.Literal("int", text, line=token.line)

"""T-SQL's grammar of expressions and conditions.

Source: "Operator precedence": ``~``; ``* / %``; ``+ - & ^ |``; comparisons; NOT; AND; BETWEEN IN LIKE ANY ALL and OR.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql.parse_call import CallParser
from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.tokens import Token

if TYPE_CHECKING:
    pass

# Reserved words that are functions.
_FUNCTIONS = frozenset({"COALESCE", "NULLIF", "LEFT", "RIGHT", "CONVERT", "TRY_CONVERT", "USER"})
_CONVERSIONS = ("CAST", "TRY_CAST", "CONVERT", "TRY_CONVERT", "PARSE", "TRY_PARSE")
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


class ExpressionParser(CallParser):
    """Adds values to the parser of calls and conditions."""

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
        """A constant, a name, a call, or an expression in parentheses."""
        token = self.token
        if token.kind in ("number", "text", "ntext", "binary"):
            return _constant(self.advance())
        if self.at("("):
            return self._in_parentheses()
        if token.upper in _NO_CONSTANTS and self.peek(1).upper != ".":
            raise RefusedError(token.line, f"T-SQL has no {token.upper}", _NO_CONSTANTS[token.upper])
        if token.kind == "word" and self.peek(1).upper == "(":
            return self._with_parentheses()
        if token.upper in ("NULL", "CASE", *_WITHOUT_PARENTHESES):
            self.advance()
            if token.upper == "NULL":
                return s.Literal("null", line=token.line)
            return self._case(token.line) if token.upper == "CASE" else s.Call(token.upper, line=token.line)
        return self._name()

    def _in_parentheses(self) -> s.Node:
        line = self.token.line
        if self._at_subquery():
            return s.Subquery(self._query_in_parentheses(), line=line)
        self.advance()
        inner = self.condition()
        if self.at(","):
            raise RefusedError(
                line, "T-SQL has no row values (a, b)", "compare each column and join the conditions by AND"
            )
        self.expect(")")
        return inner

    def _with_parentheses(self) -> s.Node:
        word = self.token.upper
        if word in _CONVERSIONS:
            return self._conversion()
        if word == "CASE":
            line = self.advance().line
            return self._case(line)
        return self._call() if self.at_name() or word in _FUNCTIONS else self._name()

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
        while words[0].upper() in _TYPE_WORDS and self.token.upper in _WORDS_AFTER:
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

"""A cursor over the tokens of a statement."""

from __future__ import annotations

from collections.abc import Sequence

from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.tokens import RESERVED, Token


class TokenCursor:
    """The tokens, and the position of the next one."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._place = 0
        self.token = tokens[0]

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

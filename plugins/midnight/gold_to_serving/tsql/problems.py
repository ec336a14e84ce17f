"""What a view is refused for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One construct that cannot be translated, or that T-SQL itself refuses.

    Args:
        line: in the view's text, from 1.
        message: the construct and what is wrong with it, then ``hint:`` and another way to write it.
        in_tsql: T-SQL refuses it too, so that it is wrong also in a view that is published on Synapse alone.
    """

    line: int
    message: str
    in_tsql: bool = False


class RefusedError(Exception):
    """Raised where the rest of an expression has no meaning any more; the translator collects it and goes on."""

    def __init__(self, line: int, message: str, hint: str = "", *, in_tsql: bool = False) -> None:
        self.problem = Problem(line, f"{message}; hint: {hint}" if hint else message, in_tsql)
        super().__init__(self.problem.message)

"""What a view is refused for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One construct that cannot be translated, or that T-SQL itself refuses.

    Args:
        line: in the view's text, from 1.
        message: the construct and what is wrong with it, then ``hint:`` and another way to write it.
    """

    line: int
    message: str


class RefusedError(Exception):
    """Raised where the rest of an expression has no meaning any more; the translator collects it and goes on."""

    def __init__(self, line: int, message: str, hint: str = "", *, others: Iterable[Problem] = ()) -> None:
        self.problem = Problem(line, f"{message}; hint: {hint}" if hint else message)
        self.problems = (*others, self.problem)
        super().__init__(self.problem.message)

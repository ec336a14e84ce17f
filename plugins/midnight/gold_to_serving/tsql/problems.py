"""Problems for which a view is refused."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """A construct that cannot be translated, or that T-SQL itself rejects.

    Args:
        line: in the view's text, from 1.
        message: the construct and what is wrong with it, then ``hint:`` and another way to write it.
        in_tsql: whether T-SQL rejects it as well; it is then an error even in a view that is published on Synapse only.
    """

    line: int
    message: str
    in_tsql: bool = False


class RefusedError(Exception):
    """Stops the translation of an expression; the translator records the problem and continues with the next one."""

    def __init__(self, line: int, message: str, hint: str = "", *, in_tsql: bool = False) -> None:
        self.problem = Problem(line, f"{message}; hint: {hint}" if hint else message, in_tsql)
        super().__init__(self.problem.message)

"""Pieces of DuckDB SQL that the modules on formats and styles share, and how they refuse."""

from __future__ import annotations

from midnight.errors import MidnightError


class FormatRefusedError(MidnightError):
    """A FORMAT pattern or a CONVERT style without a proved counterpart in DuckDB.

    Args:
        problem: what is wrong, with the value.
        hint: another way to write it.
    """

    def __init__(self, problem: str, hint: str) -> None:
        self.problem, self.hint = problem, hint
        super().__init__(f"{problem}; hint: {hint}")


def bind(value: str, name: str, body: str) -> str:
    """DuckDB SQL for ``body``, in which ``name`` stands for ``value``; it may stand around an aggregate."""
    return f"list_transform([{value}], lambda {name}: {body})[1]"


def join_text(parts: list[str]) -> str:
    """The concatenation of texts; NULL if one of them is."""
    return f"({' || '.join(parts)})" if parts else "''"

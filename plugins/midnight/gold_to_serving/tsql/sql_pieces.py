"""Pieces of DuckDB SQL shared by the modules for formats and styles, and their error."""

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
    """Return DuckDB SQL for ``body`` with ``name`` bound to ``value``, which may be an aggregate."""
    return f"list_transform([{value}], lambda {name}: {body})[1]"


def join_text(parts: list[str]) -> str:
    """Concatenate texts; NULL if one of them is NULL."""
    return f"({' || '.join(parts)})" if parts else "''"

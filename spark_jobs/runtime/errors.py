"""Error texts of the engines in a form that fits into a log line."""

from __future__ import annotations


def first_line(error: BaseException, length: int = 500) -> str:
    """The first line of an exception's text, without the query plan that follows; the class name if it is empty."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:length]

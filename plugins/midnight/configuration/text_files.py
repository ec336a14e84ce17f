"""Reading the text files of the configuration."""

from __future__ import annotations


def unreadable(error: OSError | UnicodeDecodeError) -> tuple[int, str]:
    """Line (from 1) and message of a read error: the line of the first byte that is not UTF-8, otherwise 1."""
    if isinstance(error, UnicodeDecodeError):
        line = error.object.count(b"\n", 0, error.start) + 1
        return line, f"cannot be read: {error}; hint: save it as UTF-8"
    return 1, f"cannot be read: {error}"

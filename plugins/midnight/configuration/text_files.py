"""Reading the text files of the configuration."""

from __future__ import annotations


def unreadable(error: OSError | UnicodeDecodeError) -> tuple[int, str]:
    """Why a file cannot be read, and the line of the first byte that is not UTF-8; 1 where it cannot be opened."""
    if isinstance(error, UnicodeDecodeError):
        line = error.object.count(b"\n", 0, error.start) + 1
        return line, f"cannot be read: {error}; save it as UTF-8"
    return 1, f"cannot be read: {error}"

"""What every error has: what is wrong, the hint, and whether a retry can help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

_HINT = "; hint: "


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong, and what to do about it.

    Args:
        found: what is wrong, with the value, and where; never a secret.
        hint: the action that fixes it; empty where there is none.
        retryable: whether the same attempt can succeed later without a change by a person.
    """

    found: str
    hint: str = ""
    retryable: bool = True

    @classmethod
    def parse(cls, text: str, *, retryable: bool = True) -> Diagnosis:
        """The diagnosis in a message of the form ``found; hint: …``; a list of several problems stays one text."""
        found, _, hint = text.partition(_HINT)
        if "\n" in text or _HINT in hint:
            return cls(text, "", retryable)
        return cls(found, hint, retryable)

    def __str__(self) -> str:
        return f"{self.found}{_HINT}{self.hint}" if self.hint else self.found


class MidnightError(Exception):
    """Base of all errors that a data engineer can act on.

    Args:
        found: what is wrong, with the value, and where. It may contain the hint: ``found; hint: …``.
        hint: the action that fixes it.
    """

    retryable: ClassVar[bool] = True

    def __init__(self, found: str, hint: str = "") -> None:
        super().__init__(*((found, hint) if hint else (found,)))
        parsed = Diagnosis.parse(found, retryable=self.retryable)
        self.diagnosis = Diagnosis(found, hint, self.retryable) if hint else parsed

    def __str__(self) -> str:
        return str(self.diagnosis)


def first_line(error: BaseException, limit: int = 500) -> str:
    """The first line of an exception's message, or the name of its type where it has none.

    Args:
        error: whose message may be many lines long.
        limit: characters at most.
    """
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:limit]


def last_line(output: str, limit: int | None = None) -> str:
    """The last line of a program's output that is not blank, which names its error; "no message" where there is none.

    Args:
        output: of the program, or its log.
        limit: characters at most; None for all of them.
    """
    lines = output.strip().splitlines()
    return lines[-1].strip()[:limit] if lines else "no message"

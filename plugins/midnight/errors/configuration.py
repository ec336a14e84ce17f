"""Errors of the configuration, with their places in the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from midnight.errors.base import MidnightError


@dataclass(frozen=True)
class ConfigurationProblem:
    """One problem in a configuration file or variable.

    Args:
        where: the file (relative to the configuration folder) or the environment variable.
        line: line in the file, from 1; None where there is none.
        field: dotted path of the field, for example ``columns[3].type``.
        message: what is wrong, with the value, and what to write instead.
    """

    where: str
    line: int | None
    field: str
    message: str

    def __str__(self) -> str:
        place = self.where if self.line is None else f"{self.where}:{self.line}"
        return f"{place}: {self.field}: {self.message}" if self.field else f"{place}: {self.message}"


class ConfigurationError(MidnightError):
    """All problems of the configuration at once.

    Args:
        problems: at least one.
    """

    retryable = False

    def __init__(self, problems: Sequence[ConfigurationProblem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"{count} configuration problem{'s' if count != 1 else ''}:\n{lines}")
        self.args = (self.problems,)

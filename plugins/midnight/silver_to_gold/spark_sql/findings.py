"""Findings of the check of one text, and the text with its corrections for Sail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from midnight.silver_to_gold.spark_sql.dialect import Span, line_of, span


@dataclass(frozen=True)
class Edit:
    """An expression that is rewritten for Sail.

    Args:
        place: the expression in the text.
        template: its new form; ``{0}`` stands for the first of ``parts``.
        parts: the arguments in the text, which may contain edits themselves.
    """

    place: Span
    template: str
    parts: tuple[Span, ...]


@dataclass
class Findings:
    """The findings of one text.

    Attributes:
        text: as written.
        problems: line and message.
        warnings: line and message.
        edits: corrections for Sail.
        arithmetic: every operation that can overflow, with its line, types and a CAST to a wider type.
    """

    text: str
    problems: list[tuple[int | None, str]] = field(default_factory=list)
    warnings: list[tuple[int | None, str]] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    arithmetic: list[str] = field(default_factory=list)

    def problem(self, node: Any, message: str) -> None:
        """Record a problem once."""
        entry = (line_of(self.text, node), message)
        if entry not in self.problems:
            self.problems.append(entry)

    def warning(self, node: Any, message: str) -> None:
        """Record an operation that is allowed but not proved."""
        entry = (line_of(self.text, node), message)
        if entry not in self.warnings:
            self.warnings.append(entry)

    def shown(self, node: Any) -> str:
        """Return an expression as written, in one line, shortened; None means the job's cast to the contract's type."""
        if node is None:
            return "the cast to the contract's type"
        place = span(node)
        words = " ".join(self.text[place[0] : place[1]].split()) if place else node.sql(dialect="spark")
        return words if len(words) <= 80 else f"{words[:77]}..."

    def rewritten(self) -> str:
        """Return the text with all edits."""
        # Outer ones first; of two in the same place the later one encloses the earlier one.
        numbered = sorted(enumerate(self.edits), key=lambda e: (e[1].place[0], -e[1].place[1], -e[0]))
        return self._render((0, len(self.text)), [edit for _, edit in numbered])

    def _render(self, place: Span, edits: Sequence[Edit]) -> str:
        result, position = [], place[0]
        for number, edit in enumerate(edits):
            start, end = edit.place
            if start < position or end > place[1]:
                continue  # inside an edit that has been rendered
            inner = [e for e in edits[number + 1 :] if e.place[0] >= start and e.place[1] <= end]
            parts = [self._render(part, [e for e in inner if _within(e.place, part)]) for part in edit.parts]
            result += [self.text[position:start], edit.template.format(*parts)]
            position = end
        return "".join([*result, self.text[position : place[1]]])


def _within(inner: Span, outer: Span) -> bool:
    return outer[0] <= inner[0] and inner[1] <= outer[1]

"""Figures that the source computes for a rule of a gold model, inside the snapshot that bronze is read from."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from midnight.errors import ReconciliationError
from midnight.reconciliation.record import MOST_DIFFERENCES, Difference, LinkRecord

# Groups of one rule: a figure per day of a century, or per day and fifty carriers of five years.
MOST_GROUPS = 100_000
# The types of PostgreSQL whose values are read as text (``time_text``).
TIMES = ("date", "timestamp", "timestamptz")
# PostgreSQL's numbers have at most 131,072 digits before the point and 16,383 behind it.
_ALL_DIGITS = Context(prec=150_000)


@dataclass(frozen=True)
class FigureQuery:
    """What the source computes for one rule.

    Args:
        model: of gold; ``rule`` is the rule's name.
        sql: one SELECT of PostgreSQL.
        columns: that it returns: first ``groups`` columns of the group, then the figures.
        groups: how many of them identify the group.
        tables: schema and name of the tables that it reads.
    """

    model: str
    rule: str
    sql: str
    columns: tuple[str, ...]
    groups: int
    tables: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """For people."""
        return f"rule {self.rule!r} of gold.{self.model}"


class SourceFigures(BaseModel):
    """The figures of one rule.

    Args:
        model: of gold; ``rule`` is the rule's name.
        batch_id: of the batches that were read from the same snapshot.
        lsn: write-ahead log position of the snapshot; empty if it is not known.
        columns: names.
        rows: canonical texts (``figure_text``).
        reason: why the figures are missing; empty if they are there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    rule: str
    batch_id: str = ""
    lsn: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()
    reason: str = ""


_RESPELLED = (
    'the source treats texts as equal that gold does not; hint: group by the text COLLATE "C" in the source query'
)
_FIGURES = TypeAdapter(tuple[SourceFigures, ...])


def figures_to_json(figures: Iterable[SourceFigures]) -> str:
    """The content of ``LakePaths.source_figures``."""
    return _FIGURES.dump_json(tuple(figures)).decode()


def parse_figures(text: str, where: str) -> tuple[SourceFigures, ...]:
    """The figures of a load group.

    Args:
        text: JSON.
        where: path of the file, for messages.

    Raises:
        ReconciliationError: the text is not valid.
    """
    try:
        return _FIGURES.validate_json(text)
    except ValidationError as error:
        raise ReconciliationError(
            f"{where} does not hold figures of the source: {error.errors()[0]['msg']}; hint: run the pipeline again"
        ) from error


def figure_text(value: Any) -> str | None:
    """A value as text that is the same for equal values: 7, 7.0 and Decimal('7.00') are '7'."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        if not number.is_finite():
            return str(number)
        return f"{number.normalize(_ALL_DIGITS):f}" if number else "0"
    if isinstance(value, datetime):
        at_utc = value.astimezone(UTC) if value.tzinfo else value
        return at_utc.strftime("%Y-%m-%d %H:%M:%S.%f")
    return value.isoformat() if isinstance(value, date | time) else str(value)


def time_text(value: str | None, kind: str) -> str | None:
    """The same text for a date or timestamp of PostgreSQL's text, in ISO form and UTC; others are kept as they are.

    Args:
        value: such as ``2024-01-31 12:30:00+00``, ``infinity`` or ``4713-01-01 BC``.
        kind: one of ``TIMES``.
    """
    if value is None:
        return None
    try:
        return figure_text(date.fromisoformat(value) if kind == "date" else datetime.fromisoformat(value))
    except ValueError:
        return value


def compare_figures(
    source: SourceFigures, gold: Sequence[Sequence[str | None]], groups: int, tolerance: float
) -> LinkRecord:
    """Compare the figures of the source with those of gold.

    Args:
        source: the expected figures.
        gold: rows of canonical texts, with the same columns in the same order.
        groups: how many columns identify the group.
        tolerance: by how much a number may differ.
    """
    expected, found = _by_group(source, source.rows, groups), _by_group(source, gold, groups)
    names = source.columns
    respelled = _respelled(expected, found)
    differences: list[Difference] = []
    count = 0
    for group in sorted({*expected, *found}, key=lambda g: tuple(str(part) for part in g)):
        left, right = expected.get(group), found.get(group)
        for place, name in enumerate(names[groups:]):
            values = (None if left is None else left[place], None if right is None else right[place])
            if left is not None and right is not None and _agree(*values, tolerance):
                continue
            count += 1
            if len(differences) < MOST_DIFFERENCES:
                notes = [f"rule {source.rule!r}"]
                if left is None or right is None:
                    notes.append(_missing(in_source=left is not None))
                if _folded(group) in respelled:
                    notes.append(_RESPELLED)
                differences.append(
                    Difference(
                        link="source = gold",
                        table=f"gold.{source.model}",
                        kind="figure",
                        column=name,
                        key=tuple(zip(names[:groups], group, strict=True)) if groups else None,
                        expected=values[0],
                        found=values[1],
                        note="; ".join(notes),
                    )
                )
    return LinkRecord(
        link="source = gold",
        table=f"gold.{source.model}",
        status="different" if count else "equal",
        method="counts",
        rows=len(expected),
        columns=len(names) - groups,
        compared=f"rule {source.rule!r}: {len(expected):,} groups" + (f" at LSN {source.lsn}" if source.lsn else ""),
        differences=tuple(differences),
        difference_count=count,
    )


def _respelled(
    expected: Iterable[tuple[str | None, ...]], found: Iterable[tuple[str | None, ...]]
) -> set[tuple[str | None, ...]]:
    """The groups, folded, whose texts are spelled otherwise on the other side."""
    spellings = [{(_folded(group), group) for group in groups} for groups in (expected, found)]
    known = [{folded for folded, _ in side} for side in spellings]
    return {folded for folded, _ in spellings[0] ^ spellings[1]} & known[0] & known[1]


def _folded(group: tuple[str | None, ...]) -> tuple[str | None, ...]:
    """Without case, accents and blanks around, which citext, a collation or character(n) may ignore."""
    return tuple(None if part is None else _plain_text(part) for part in group)


def _plain_text(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).strip()


def _missing(*, in_source: bool) -> str:
    return "gold has no such group" if in_source else "the source has no such group"


def _by_group(
    source: SourceFigures, rows: Sequence[Sequence[str | None]], groups: int
) -> Mapping[tuple[str | None, ...], Sequence[str | None]]:
    found: dict[tuple[str | None, ...], Sequence[str | None]] = {}
    for row in rows:
        group = tuple(row[:groups])
        if group in found:
            raise ReconciliationError(
                f"rule {source.rule!r} of gold.{source.model}: the group {group!r} occurs twice; hint: group the "
                "source query by the columns of group_by"
            )
        found[group] = row[groups:]
    return found


def _agree(left: str | None, right: str | None, tolerance: float) -> bool:
    if left == right or left is None or right is None:
        return left == right
    try:
        return abs(Decimal(left) - Decimal(right)) <= Decimal(str(tolerance))
    except InvalidOperation:
        return False

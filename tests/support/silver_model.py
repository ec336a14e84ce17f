"""A reference implementation of the rules of silver in plain Python, to compare the job with.

Supports what the property tests use: casts to integer, ``range`` and ``pattern`` checks, ``foreign_key``, ``unique``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from midnight.configuration.columns import Column, Fill
from midnight.configuration.tables import Table

WHITE_SPACE = " \t\n\v\f\r\x85\xa0\u1680\u2000\u2003\u2028\u3000"


@dataclass
class Candidate:
    """One row of the source: raw, as it would be in silver, and the rule that quarantines it."""

    raw: dict[str, Any]
    values: dict[str, Any]
    order: list[tuple]
    rule: str = ""
    dropped: bool = False
    copy: int = 1


@dataclass
class SilverModel:
    """Silver of one table over several runs: identity -> values and the number of the run that last changed them."""

    table: Table
    rows: dict[tuple, tuple[dict[str, Any], int]] = field(default_factory=dict)

    def apply(
        self, number: int, source: Sequence[Mapping[str, Any]], referenced: Mapping[str, set[tuple]]
    ) -> tuple[dict[str, int], list[tuple[str, dict[str, str]]]]:
        """Apply a batch.

        Returns:
            The counts that are not zero, and the quarantined rows as rule and raw row.
        """
        counts: Counter[str] = Counter()
        winners, keyless = self._winners([clean(self.table, row) for row in source])
        counts["duplicates"] = len(source) - len(winners) - len(keyless)
        candidates = [row for row in winners if not row.dropped or row.rule]
        counts["dropped"] = len(winners) - len(candidates)
        for row in candidates:
            row.rule = row.rule or next(self._failing(row, referenced, "quarantine"), "")
        self._keep_first_of_unique(candidates)
        out = [row for row in candidates if row.rule] + keyless
        kept = [row for row in candidates if not row.rule]
        counts["quarantined"] = len(out)
        counts["warnings"] = sum(1 for row in kept if any(self._failing(row, referenced, "warn")))
        self._compare(number, kept, counts)
        return {name: n for name, n in counts.items() if n}, [(row.rule, as_text(row.raw)) for row in out]

    def _winners(self, rows: list[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
        """The first row of every key, and the rows without a complete key."""
        keyless = []
        groups: dict[tuple, list[Candidate]] = {}
        winners = []
        for row in rows:
            if self.table.key and any(row.values[name] is None for name in self.table.key):
                row.rule = row.rule or "key_not_null"
                keyless.append(row)
            elif not self.table.key and row.rule:
                winners.append(row)
            else:
                identity = tuple(row.values[name] for name in self.table.key or row.values)
                groups.setdefault(identity, []).append(row)
        for group in groups.values():
            group.sort(key=lambda row: [*row.order, bool(row.rule), *ordered(row.values), *ordered(row.raw)])
            if not self.table.key and self.table.duplicates == "keep":
                for copy, row in enumerate(group, start=1):
                    row.copy = copy
                winners += group
            else:
                winners.append(group[0])
        return winners, keyless

    def _failing(self, row: Candidate, referenced: Mapping[str, set[tuple]], on_failure: str) -> Iterator[str]:
        for check in self.table.checks:
            if check.on_failure == on_failure and check.rule != "unique":
                values = [row.values[name] for name in check.used_columns]
                if None not in values and not passes(check, values, referenced):
                    yield check.label

    def _keep_first_of_unique(self, candidates: list[Candidate]) -> None:
        for check in self.table.checks:
            if check.rule == "unique":
                seen = set()
                passed = [row for row in candidates if not row.rule]
                for row in sorted(passed, key=lambda r: [*r.order, *[r.values[name] for name in self.table.key]]):
                    values = tuple(row.values[name] for name in check.columns)
                    if None not in values:
                        row.rule = check.label if values in seen else ""
                        seen.add(values)

    def _compare(self, number: int, kept: list[Candidate], counts: Counter[str]) -> None:
        before, self.rows = self.rows, {}
        for row in kept:
            names = self.table.key or tuple(row.values)
            identity = (*[row.values[name] for name in names], 0 if self.table.key else row.copy)
            old = before.pop(identity, None)
            action = "inserted" if old is None else "unchanged" if old[0] == row.values else "updated"
            counts[action] += 1
            self.rows[identity] = old if old is not None and action == "unchanged" else (row.values, number)
        counts["deleted"] = len(before)


def clean(table: Table, source: Mapping[str, Any]) -> Candidate:
    """Trim, texts that mean null, casts, fill, and nulls that drop a row."""
    raw = {column.name: source.get(column.name) for column in table.columns}
    cast: dict[str, Any] = {}
    rule = ""
    for column in table.columns:
        value = normalised(table, column, raw[column.name])
        cast[column.name], failed = to_integer(value) if column.cast == "integer" else (value, False)
        if failed and not column.drop and not rule:
            rule = f"cast_{column.name}"
    values = {c.name: filled(c, cast[c.name]) for c in table.silver_columns}
    dropped = any(values[c.name] is None for c in table.silver_columns if c.nulls == "drop_row")
    order = []
    for name, descending in table.ordering:
        value = cast[name]
        order.append((value is None, 0 if value is None else -value if descending else value))
    return Candidate(raw, values, order, rule, dropped)


def normalised(table: Table, column: Column, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.strip(WHITE_SPACE) if column.trim else value
    return None if text in (table.null_values if column.null_values is None else column.null_values) else text


def to_integer(value: str | None) -> tuple[int | None, bool]:
    if value is None:
        return None, False
    if re.fullmatch(r"[+-]?[0-9]+", value) and -(2**31) <= int(value) < 2**31:
        return int(value), False
    return None, True


def filled(column: Column, value: Any) -> Any:
    return column.nulls.fill if value is None and isinstance(column.nulls, Fill) else value


def passes(check: Any, values: list[Any], referenced: Mapping[str, set[tuple]]) -> bool:
    if check.rule == "range":
        return (check.min is None or values[0] >= check.min) and (check.max is None or values[0] <= check.max)
    if check.rule == "pattern":
        return re.fullmatch(check.regex, values[0]) is not None
    if check.rule == "foreign_key":
        return tuple(values) in referenced[check.table]
    raise NotImplementedError(check.rule)


def ordered(values: Mapping[str, Any]) -> list[tuple]:
    """Sortable values: null last, text by its bytes, as in the engines."""
    return [(v is None, 0 if v is None else v.encode() if isinstance(v, str) else v) for v in values.values()]


def as_text(raw: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in raw.items() if value is not None}

"""The rules of silver once more, in plain Python, for tables of a few rows: what the job is compared with.

Knows what the property test uses: casts to integer, ``range`` and ``pattern`` checks, ``foreign_key``, ``unique``.
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
    """One row of the source: as it came, as it would stand in silver, and the rule that keeps it out."""

    raw: dict[str, Any]
    values: dict[str, Any]
    order: list[tuple]
    rule: str = ""
    dropped: bool = False
    copy: int = 1


@dataclass
class SilverModel:
    """Silver of one table over the nights: identity -> values and the night that last changed them."""

    table: Table
    rows: dict[tuple, tuple[dict[str, Any], int]] = field(default_factory=dict)

    def apply(
        self, night: int, source: Sequence[Mapping[str, Any]], parents: Mapping[str, set[tuple]]
    ) -> tuple[dict[str, int], list[tuple[str, dict[str, str]]]]:
        """Bring it to the state of a batch.

        Returns:
            The counts that are not zero, and the quarantine as rule and raw row.
        """
        counts: Counter[str] = Counter()
        winners, keyless = self._winners([clean(self.table, row) for row in source])
        counts["duplicates"] = len(source) - len(winners) - len(keyless)
        judged = [row for row in winners if not row.dropped or row.rule]
        counts["dropped"] = len(winners) - len(judged)
        for row in judged:
            row.rule = row.rule or next(self._failing(row, parents, "quarantine"), "")
        self._keep_first_of_unique(judged)
        out = [row for row in judged if row.rule] + keyless
        kept = [row for row in judged if not row.rule]
        counts["quarantined"] = len(out)
        counts["warnings"] = sum(1 for row in kept if any(self._failing(row, parents, "warn")))
        self._compare(night, kept, counts)
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
                for number, row in enumerate(group, start=1):
                    row.copy = number
                winners += group
            else:
                winners.append(group[0])
        return winners, keyless

    def _failing(self, row: Candidate, parents: Mapping[str, set[tuple]], on_failure: str) -> Iterator[str]:
        for check in self.table.checks:
            if check.on_failure == on_failure and check.rule != "unique":
                values = [row.values[name] for name in check.used_columns]
                if None not in values and not passes(check, values, parents):
                    yield check.label

    def _keep_first_of_unique(self, judged: list[Candidate]) -> None:
        for check in self.table.checks:
            if check.rule == "unique":
                seen = set()
                alive = [row for row in judged if not row.rule]
                for row in sorted(alive, key=lambda r: [*r.order, *[r.values[name] for name in self.table.key]]):
                    values = tuple(row.values[name] for name in check.columns)
                    if None not in values:
                        row.rule = check.label if values in seen else ""
                        seen.add(values)

    def _compare(self, night: int, kept: list[Candidate], counts: Counter[str]) -> None:
        before, self.rows = self.rows, {}
        for row in kept:
            names = self.table.key or tuple(row.values)
            identity = (*[row.values[name] for name in names], 0 if self.table.key else row.copy)
            old = before.pop(identity, None)
            action = "inserted" if old is None else "unchanged" if old[0] == row.values else "updated"
            counts[action] += 1
            self.rows[identity] = old if old is not None and action == "unchanged" else (row.values, night)
        counts["deleted"] = len(before)


def clean(table: Table, source: Mapping[str, Any]) -> Candidate:
    """Trim, text that means null, casts, fill, and the null that drops a row."""
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


def passes(check: Any, values: list[Any], parents: Mapping[str, set[tuple]]) -> bool:
    if check.rule == "range":
        return (check.min is None or values[0] >= check.min) and (check.max is None or values[0] <= check.max)
    if check.rule == "pattern":
        return re.fullmatch(check.regex, values[0]) is not None
    if check.rule == "foreign_key":
        return tuple(values) in parents[check.table]
    raise NotImplementedError(check.rule)


def ordered(values: Mapping[str, Any]) -> list[tuple]:
    """Sortable, null last; text as its bytes, like the engines."""
    return [(v is None, 0 if v is None else v.encode() if isinstance(v, str) else v) for v in values.values()]


def as_text(raw: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in raw.items() if value is not None}

"""Every kind of change of a source table, and what a run does with it: the list behind the tests and the docs page."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from tests.support.schema_changes.case import Case
from tests.support.schema_changes.column_cases import COLUMNS
from tests.support.schema_changes.table_cases import TABLES
from tests.support.schema_changes.type_cases import TYPES

CASES: tuple[Case, ...] = (*COLUMNS, *TYPES, *TABLES)


def section_of_page() -> str:
    """The list in docs/schema-changes.md."""
    parts = {"Columns": COLUMNS, "Types": TYPES, "Keys and tables": TABLES}
    return "\n\n".join(f"### {title}\n\n{_list(cases)}" for title, cases in parts.items())


def _list(cases: Sequence[Case]) -> str:
    lines = []
    for case in cases:
        change = f"{case.change[:1].upper()}{case.change[1:]}"
        outcome = f"**{case.incremental.capitalize()}.**"
        result = f"{case.result[:1].upper()}{case.result[1:]}".replace("{t}", "…")
        unseen = "" if case.freeze == "stopped" else " `freeze` has nothing to stop."
        lines += textwrap.wrap(f"* {change}: {outcome}", 100, subsequent_indent="  ")
        lines += textwrap.wrap(f"{result}.{unseen}", 100, initial_indent="  ", subsequent_indent="  ")
    return "\n".join(lines)

"""The recorded parts of docs/incidents.md: what `make prove-incidents` saw (tests/data/incidents.json)."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_WIDTH = 98
# Key of a record -> what stands before its text.
_LABELS = {
    "headline": "Alert",
    "cause": "Cause",
    "hint": "Do",
    "command": "Then",
    "failed": "Alert of the last try",
    "failed command": "Then",
    "status": "Status",
    "check from outside": "Check from outside",
    "command says": "The command says",
    "recovered": "Recovered",
    "log": "Log of the task",
    "cause in the log": "Cause in the log",
}


def incidents_page(root: Path) -> dict[str, str]:
    """The page with the newest records in their places, as path -> text."""
    page = "docs/incidents.md"
    text = (root / page).read_text(encoding="utf-8")
    records = json.loads((root / "tests" / "data" / "incidents.json").read_text(encoding="utf-8"))
    for name, record in records.items():
        text = _replace(text, f"told: {name}", _told(record))
        row = re.compile(rf"^(\| \[{re.escape(title(name))}\]\(#[\w-]+\)) \|[^|]*\|[^|]*\|", re.MULTILINE)
        text = row.sub(rf"\1 | {_event(record)} | {_seconds(record)} |", text)
    return {page: text}


def title(name: str) -> str:
    """The heading of an incident."""
    return f"{name[0].upper()}{name[1:]}"


def _event(record: Mapping[str, Any]) -> str:
    return f"`{record['event']}`" if "event" in record else "none of Airflow"


def _seconds(record: Mapping[str, Any]) -> str:
    return "-" if record["seconds"] is None else f"{record['seconds']} s"


def _told(record: Mapping[str, Any]) -> str:
    lines = []
    for key, label in _LABELS.items():
        for number, line in enumerate(str(record.get(key, "")).splitlines()):
            whole = line if number else f"{label}: {line}"
            lines += textwrap.wrap(whole, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(["```text", *lines, "```"])


def _replace(text: str, mark: str, block: str) -> str:
    before, opening, rest = text.partition(f"<!-- {mark} -->\n")
    _, closing, after = rest.partition("<!-- /told -->")
    return f"{before}{opening}{block}\n{closing}{after}" if closing else text

"""The page's templates, and how they write numbers and times. Everything is escaped: it comes from somebody's data."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from midnight.report.run_history import PipelineRun

FOLDER = Path(__file__).parent
_SIGNS = {"published": "✓", "failed": "✗", "running": "●", "waits": "●", "nothing to do": "○"}
_KINDS = {"published": "good", "failed": "bad", "running": "warn", "waits": "warn", "nothing to do": "plain"}
_LOWEST_BAR = 6  # per cent


def render(template: str, **values: Any) -> str:
    """A template of this folder, filled; the variable ``style`` holds the page's style sheet."""
    style = Markup((FOLDER / "page.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    return _environment().get_template(template).render(style=style, **values)


def script(name: str) -> str:
    """One of the page's own scripts."""
    return (FOLDER / name).read_text(encoding="utf-8")


def content_security_policy(scripts: Sequence[str]) -> str:
    """A policy that runs exactly these inline scripts, and lets the page fetch nothing.

    plotly sets styles by itself, and draws images for its download button as data and blob URLs.
    """
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def format_number(value: Any, number_format: str) -> str:
    """A number as people read it; an em dash for null.

    Args:
        value: a number or None.
        number_format: ``integer``, ``decimal`` or ``percent`` (of 0 to 1).
    """
    if value is None:
        return "—"
    if number_format == "percent":
        return f"{float(value):.1%}"
    return f"{value:,.1f}" if number_format == "decimal" else f"{round(value):,}"


def format_batch_time(batch_id: str) -> str:
    """The time inside a batch id, for people; the id itself where it holds none."""
    try:
        return f"{datetime.strptime(batch_id[:15], '%Y%m%dT%H%M%S'):%Y-%m-%d %H:%M}"
    except ValueError:
        return batch_id


def age(age: timedelta) -> str:
    """How old something is, in its largest unit."""
    minutes = max(0, round(age.total_seconds() / 60))
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., Any]] = {
        "whole": lambda number: format_number(number, "integer"),
        "moment": _moment,
        "night": format_batch_time,
        "size": _size,
        "age": age,
        "duration": _duration,
        "seconds": _seconds,
        "bar_height": _bar_height,
        "sign": lambda result: _SIGNS[result],
        "kind": lambda result: _KINDS[result],
    }
    environment.filters |= filters
    return environment


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def _seconds(run: PipelineRun, now: datetime) -> float:
    duration = run.duration(now)
    return 0.0 if duration is None else duration.total_seconds()


def _bar_height(run: PipelineRun, now: datetime, longest: float) -> int:
    """Per cent; a short run can still be seen."""
    return _LOWEST_BAR if not longest else max(_LOWEST_BAR, round(100 * _seconds(run, now) / longest))


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"

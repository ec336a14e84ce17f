"""The page's templates, and their filters for numbers and times. All values are escaped: they come from user data."""

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
_SIGNS = {"published": "✓", "failed": "✗", "running": "●", "queued": "●", "nothing to do": "○"}
_KINDS = {"published": "good", "failed": "bad", "running": "warn", "queued": "warn", "nothing to do": "plain"}
_MINIMUM_BAR_HEIGHT = 6  # per cent


def render(template: str, **values: Any) -> str:
    """Render a template of this folder; its variable ``style`` holds the page's style sheet."""
    style = Markup((FOLDER / "page.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    return _environment().get_template(template).render(style=style, **values)


def script(name: str) -> str:
    """Read one of the page's own scripts."""
    return (FOLDER / name).read_text(encoding="utf-8")


def content_security_policy(scripts: Sequence[str]) -> str:
    """Return a policy that allows exactly these inline scripts, and no network request.

    plotly sets inline styles, and its download button uses data and blob URLs.
    """
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def format_number(value: Any, number_format: str) -> str:
    """Format a number for display; an em dash for None.

    Args:
        value: a number or None.
        number_format: ``integer``, ``decimal`` or ``percent`` (0 to 1).
    """
    if value is None:
        return "—"
    if number_format == "percent":
        return f"{float(value):.1%}"
    return f"{value:,.1f}" if number_format == "decimal" else f"{round(value):,}"


def format_batch_time(batch_id: str) -> str:
    """Format the time in a batch id; an id without a time is returned unchanged."""
    try:
        return f"{datetime.strptime(batch_id[:15], '%Y%m%dT%H%M%S'):%Y-%m-%d %H:%M}"
    except ValueError:
        return batch_id


def age(age: timedelta) -> str:
    """Format an age in its largest unit: minutes, hours or days."""
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
        "integer": lambda number: format_number(number, "integer"),
        "utc": _utc,
        "batch_time": format_batch_time,
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


def _utc(moment: datetime) -> str:
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
    """Height in per cent; a minimum keeps short runs visible."""
    return _MINIMUM_BAR_HEIGHT if not longest else max(_MINIMUM_BAR_HEIGHT, round(100 * _seconds(run, now) / longest))


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"

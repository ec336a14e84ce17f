"""The page's templates, and their filters for numbers. All values are escaped: they come from user data."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from midnight.durations import describe_duration

FOLDER = Path(__file__).parent


def render(template: str, **values: Any) -> str:
    """Render a template of this folder; its variable ``style`` holds the page's style sheet."""
    return _environment().get_template(template).render(style=Markup(style_sheet()), **values)  # noqa: S704 - our file


@cache
def style_sheet() -> str:
    """The style sheet of all pages."""
    return (FOLDER / "page.css").read_text(encoding="utf-8")


def script(name: str) -> str:
    """Read one of the page's own scripts."""
    return (FOLDER / name).read_text(encoding="utf-8")


def content_security_policy(scripts: Sequence[str], *, style: str = "") -> str:
    """Return a policy that allows exactly these scripts, and no network request.

    Args:
        scripts: texts of the scripts, inline or in a file with its ``integrity``.
        style: the only style sheet; without it any inline style is allowed, as plotly sets some. plotly's download
            button uses data and blob URLs.
    """
    hashes = " ".join(f"'sha256-{digest(script)}'" for script in scripts)
    styles, images = (f"'sha256-{digest(style)}'", "'none'") if style else ("'unsafe-inline'", "data: blob:")
    return (
        f"default-src 'none'; script-src {hashes}; style-src {styles}; img-src {images}; "
        "base-uri 'none'; form-action 'none'"
    )


def digest(text: str) -> str:
    """SHA-256 of a script or style sheet in Base64, as policies and ``integrity`` write it."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


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
        "percent": lambda share: format_number(share, "percent"),
        "size": _size,
        "duration": describe_duration,
    }
    environment.filters |= filters
    return environment


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"

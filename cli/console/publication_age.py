"""The age of the publication, for a check by cron, systemd or a monitoring system."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta

from cli.instance.lake import open_lake
from midnight.durations import describe_age
from midnight.errors import MidnightError
from midnight.gold_to_serving.publication import read_publication
from midnight.settings import Settings

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def parse_age(text: str) -> timedelta:
    """An age such as ``90m``, ``7h`` or ``2d``.

    Raises:
        ValueError: it has another form.
    """
    found = re.fullmatch(r"(\d{1,6})([mhd])", text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a valid age; hint: a number with m, h or d, for example 7h")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def check_publication_age(settings: Settings, limit: timedelta, now: datetime | None = None) -> bool:
    """Whether readers have data that were published within the limit; prints one line if not.

    An unreadable lake counts as too old, so that the check fails.
    """
    now = now or datetime.now(UTC)
    try:
        publication = read_publication(settings.paths, open_lake(settings))
    except MidnightError as error:
        print(f"✗ cannot read what was published: {error}", file=sys.stderr)
        return False
    if publication is None:
        print("✗ nothing was published yet", file=sys.stderr)
        return False
    age = now - publication.published_at
    if age <= limit:
        return True
    print(
        f"✗ the newest publication is {describe_age(age)} old "
        f"({publication.published_at:%Y-%m-%d %H:%M} UTC; the limit is {describe_age(limit)}); "
        "hint: `midnight status` shows the last runs",
        file=sys.stderr,
    )
    return False

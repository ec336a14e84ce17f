"""Times of the page, in the pipeline's time zone; ages that a script of the page keeps current."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from markupsafe import Markup

from midnight.durations import describe_age


@dataclass(frozen=True)
class Clock:
    """Formats times for people.

    Args:
        now: when the page is made, with a time zone.
        timezone: IANA name of the pipeline's zone.
    """

    now: datetime
    timezone: str

    @property
    def place(self) -> str:
        """The zone as people say it: ``New York``."""
        return self.timezone.rpartition("/")[2].replace("_", " ")

    def local(self, moment: datetime) -> datetime:
        return moment.astimezone(ZoneInfo(self.timezone))

    def at(self, moment: datetime) -> str:
        """``00:04`` today, otherwise with the day, and with the year if it is another one."""
        local, today = self.local(moment), self.local(self.now)
        if local.date() == today.date():
            return f"{local:%H:%M}"
        return self.when(moment)

    def when(self, moment: datetime) -> str:
        """``Mon 30 Nov 00:04``, also today."""
        return f"{self.day(moment)} {self.local(moment):%H:%M}"

    def day(self, moment: datetime) -> str:
        """``Mon 30 Nov``, with the year if it is another one."""
        local = self.local(moment)
        year = "" if local.year == self.local(self.now).year else f" {local.year}"
        return f"{local:%a} {local.day} {local:%b}{year}"

    def full(self, moment: datetime) -> str:
        """``Mon 30 Nov 2026, 00:04``."""
        local = self.local(moment)
        return f"{local:%a} {local.day} {local:%b %Y, %H:%M}"

    def age(self, moment: datetime) -> Markup:
        """The age of a moment, as an element that the page's script keeps current."""
        return Markup('<time datetime="{}" data-age>{}</time>').format(
            moment.isoformat(timespec="seconds"), describe_age(self.now - moment)
        )

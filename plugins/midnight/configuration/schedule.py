"""The ``schedule`` of ``include/pipeline.yml``."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from midnight.configuration.base import ConfigurationModel

if TYPE_CHECKING:
    from croniter import croniter


class Schedule(ConfigurationModel):
    """When a run starts.

    Args:
        cron: expression of five fields; ``null`` switches the schedule off.
        timezone: IANA time zone in which ``cron`` is evaluated.
    """

    cron: str | None = Field(
        default="0 0 * * *",
        examples=["0 0 * * *", "30 1 * * 1-5"],
        json_schema_extra={"pattern": r"^\s*(\S+\s+){4}\S+\s*$"},
    )
    timezone: str = Field(default="UTC", examples=["Europe/Berlin", "America/New_York"])

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{name!r} is not a valid IANA time zone; hint: for example Europe/Berlin") from error
        return name

    @field_validator("cron")
    @classmethod
    def _cron_can_be_read(cls, cron: str | None) -> str | None:
        from croniter import croniter

        if cron is not None and (len(cron.split()) != 5 or not croniter.is_valid(cron)):
            raise ValueError(
                f"{cron!r} is not a valid cron expression of five fields; hint: for example '0 0 * * *', or null"
            )
        return cron

    def next_after(self, moment: datetime) -> datetime | None:
        """When the next run starts; None when the schedule is switched off.

        Args:
            moment: with a time zone, like the result.
        """
        found = self._times_around(moment)
        return None if found is None else self._on_the_clock(found.get_next(datetime))

    def last_before(self, moment: datetime) -> datetime | None:
        """When the newest run up to this moment was due; None when the schedule is switched off.

        Args:
            moment: with a time zone, like the result.
        """
        found = self._times_around(moment + timedelta(microseconds=1))
        return None if found is None else self._on_the_clock(found.get_prev(datetime))

    def _times_around(self, moment: datetime) -> croniter | None:
        """The schedule's times on the clock of its zone: as in Airflow, daylight saving time does not shift them."""
        from croniter import croniter

        on_the_clock = moment.astimezone(ZoneInfo(self.timezone)).replace(tzinfo=None)
        return None if self.cron is None else croniter(self.cron, on_the_clock)

    def _on_the_clock(self, at: datetime) -> datetime:
        return at.replace(tzinfo=ZoneInfo(self.timezone))

"""The ``schedule`` of ``include/pipeline.yml``."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from midnight.configuration.base import ConfigurationModel


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
        from croniter import croniter

        if self.cron is None:
            return None
        zone = ZoneInfo(self.timezone)
        on_the_clock = moment.astimezone(zone).replace(
            tzinfo=None
        )  # like Airflow: daylight saving time does not shift the hour
        at: datetime = croniter(self.cron, on_the_clock).get_next(datetime)
        return at.replace(tzinfo=zone)

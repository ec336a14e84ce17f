"""When the nightly run starts: a part of ``include/pipeline.yml``."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import field_validator

from midnight.configuration.base import ConfigurationModel


class Schedule(ConfigurationModel):
    """When the nightly run starts.

    Args:
        cron: five fields; ``null`` switches the schedule off.
        timezone: IANA name of the zone whose clock counts.
    """

    cron: str | None = "0 0 * * *"
    timezone: str = "UTC"

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{name!r} is no IANA time zone; write for example Europe/Berlin") from error
        return name

    @field_validator("cron")
    @classmethod
    def _cron_can_be_read(cls, cron: str | None) -> str | None:
        from croniter import croniter  # noqa: PLC0415 - the clusters, which have the wheel, have no schedule

        if cron is not None and (len(cron.split()) != 5 or not croniter.is_valid(cron)):
            raise ValueError(f"{cron!r} is no cron expression of five fields; write for example '0 0 * * *', or null")
        return cron

    def next_after(self, moment: datetime) -> datetime | None:
        """When the next nightly run begins; None when the schedule is switched off.

        Args:
            moment: with a time zone, like the answer.
        """
        from croniter import croniter  # noqa: PLC0415 - as above

        if self.cron is None:
            return None
        zone = ZoneInfo(self.timezone)
        on_the_clock = moment.astimezone(zone).replace(tzinfo=None)  # as Airflow counts: the hour, whatever summer does
        at: datetime = croniter(self.cron, on_the_clock).get_next(datetime)
        return at.replace(tzinfo=zone)

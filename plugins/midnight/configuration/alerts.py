"""The ``alerts`` of ``include/pipeline.yml``: which events people are notified of, and where."""

from __future__ import annotations

import re
from datetime import time
from typing import Literal

from pydantic import Field, field_validator, model_validator

from midnight.configuration.base import ConfigurationModel
from midnight.configuration.connections import LONGEST_CONNECTION_ID, checked_connection_id
from midnight.configuration.yaml_document import located_error

AlertEvent = Literal[
    "failed", "retrying", "recovered", "late", "quarantine", "warnings", "schema_changed", "anomaly", "source_log"
]


class AlertChannel(ConfigurationModel):
    """One place to which alerts are sent.

    Args:
        kind: ``email`` (an Airflow connection of type smtp); ``teams``, ``slack`` or ``webhook`` (an Airflow connection
            of type http with the address of the incoming webhook).
        connection: Airflow connection id.
        to: for ``email``: the recipients.
        events: the events that this channel gets; empty means all.
    """

    kind: Literal["email", "teams", "slack", "webhook"]
    connection: str = Field(
        min_length=1,
        examples=["midnight_smtp"],
        json_schema_extra={"pattern": "^[0-9A-Za-z_-]+$", "maxLength": LONGEST_CONNECTION_ID},
    )
    to: tuple[str, ...] = Field(default=(), examples=[["data-team@example.com"]])
    events: tuple[AlertEvent, ...] = ()

    _connection_fits_key_vault = field_validator("connection")(checked_connection_id)

    @field_validator("to")
    @classmethod
    def _addresses_are_valid(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        for address in addresses:
            if not re.fullmatch(r"[^@\s,;]+@[^@\s,;]+", address):
                raise ValueError(f"{address!r} is not a valid e-mail address; hint: name@example.com")
        return addresses

    @model_validator(mode="after")
    def _recipients_fit_the_kind(self) -> AlertChannel:
        if self.kind == "email" and not self.to:
            raise located_error([(["to"], "is missing; hint: the e-mail addresses of the recipients")])
        if self.kind != "email" and self.to:
            raise located_error([(["to"], f"is only valid with kind: email, not {self.kind!r}; hint: remove it")])
        return self

    def receives(self, event: AlertEvent) -> bool:
        """Whether alerts of this event are sent to the channel."""
        return not self.events or event in self.events


class Alerts(ConfigurationModel):
    """When and to whom alerts are sent.

    Args:
        publish_by: time of day, in the schedule's time zone, by which a run must have published; null: no deadline.
        quarantine_percent: percentage of a table's rows in quarantine above which an alert is sent. More rows than in
            the run before are always reported.
        warnings_percent: percentage of a table's rows with warnings above which an alert is sent; null: only the first
            warnings of a table that had none are reported.
        source_log_gb: gigabytes of write-ahead log of the source, in all or kept by one replication slot, above which
            an alert is sent; null: never.
        source_transaction_hours: hours after which an open or prepared transaction of the source is reported; null:
            never.
        channels: where alerts are sent; without any, none is.
    """

    publish_by: str | None = Field(default=None, examples=["07:00"], json_schema_extra={"pattern": r"^\d\d:\d\d$"})
    quarantine_percent: float = Field(default=1, ge=0, le=100)
    warnings_percent: float | None = Field(default=None, ge=0, le=100)
    source_log_gb: float | None = Field(default=10, gt=0)
    source_transaction_hours: float | None = Field(default=24, gt=0)
    channels: tuple[AlertChannel, ...] = ()

    @field_validator("publish_by", mode="before")
    @classmethod
    def _time_can_be_read(cls, value: object) -> object:
        if value is None or (isinstance(value, str) and _TIME.fullmatch(value)):
            return value
        # YAML 1.1 reads 07:30 without quotes as the number 450.
        raise ValueError(f'{value!r} is not a valid time of day; hint: in quotes, for example "07:00"')

    @property
    def publish_time(self) -> time | None:
        """``publish_by`` as a time."""
        return None if self.publish_by is None else time.fromisoformat(self.publish_by)


_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")

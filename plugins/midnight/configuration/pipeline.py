"""``include/pipeline.yml``: the source, the schedule, and what holds for every table."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, field_validator, model_validator

from midnight.configuration.alerts import Alerts
from midnight.configuration.base import ConfigurationModel
from midnight.configuration.budget import Budget
from midnight.configuration.checks import HTTPS, without_password
from midnight.configuration.expectations import Expectations
from midnight.configuration.release import ReleasePolicy
from midnight.configuration.schedule import Schedule
from midnight.configuration.source import LoadGroup, Source
from midnight.configuration.yaml_document import Location, YamlDocument, located_error
from midnight.errors import ConfigurationError, ConfigurationProblem

_OWNER_LINK = rf"{HTTPS}|^mailto:[^\s@<>]+@[0-9A-Za-z.-]+$"
LONGEST_TAG = 100  # column dag_tag.name of Airflow's database


class Pipeline(ConfigurationModel):
    """``include/pipeline.yml``.

    Args:
        source: the source database.
        schedule: when a run starts.
        groups: load groups; every table belongs to one.
        owner: of the DAG in Airflow.
        owner_link: where Airflow's page of the DAG leads from the owner's name: an https address or ``mailto:``.
        tags: of the DAG in Airflow; the profile is one more.
        retries: how often a failed task is retried.
        retry_delay_seconds: pause before the first retry; it doubles each time, up to half an hour.
        reconcile_every: each run compares one table of this many with the source, another part in the next run; 1
            compares all in every run.
        timeout_minutes: a task that takes longer is stopped; a run may take twice as long.
        alerts: whom to tell when a run failed, is late, or needs a look.
        release: whether a person may publish although checks failed.
        expectations: what the figures of every table may be in a run.
        budget: what runs may cost.
    """

    source: Source
    schedule: Schedule = Schedule()
    alerts: Alerts = Alerts()
    release: ReleasePolicy = ReleasePolicy()
    expectations: Expectations = Expectations()
    budget: Budget = Budget()
    groups: tuple[LoadGroup, ...] = Field(default=(LoadGroup(name="main"),), min_length=1)
    owner: str = "data-engineering"
    owner_link: str = Field(
        default="", json_schema_extra={"pattern": _OWNER_LINK}, examples=["mailto:data@example.com"]
    )
    tags: tuple[str, ...] = Field(
        default=("midnight",), json_schema_extra={"items": {"type": "string", "maxLength": LONGEST_TAG}}
    )
    retries: int = Field(default=2, ge=0, le=10)
    retry_delay_seconds: int = Field(default=60, ge=0, le=86_400)
    reconcile_every: int = Field(default=1, ge=1, le=1_000)
    timeout_minutes: int = Field(default=240, ge=1, le=10_080)

    @property
    def run_timeout_minutes(self) -> int:
        """How long a run may take before it is stopped."""
        return 2 * self.timeout_minutes

    def group(self, name: str) -> LoadGroup:
        """A load group.

        Raises:
            ConfigurationError: the file has no such group.
        """
        for group in self.groups:
            if group.name == name:
                return group
        message = f"has no group {name!r}, to which this task belongs; hint: trigger a new run"
        raise ConfigurationError([ConfigurationProblem("pipeline.yml", None, "groups", message)])

    @model_validator(mode="after")
    def _expectations_fit_every_table(self) -> Pipeline:
        problems: list[tuple[Location, str]] = [
            (
                ["expectations", "rules", position, "figure"],
                f"{rule.figure!r} is about a column; hint: move the rule to the file of the table that has "
                f"{rule.column!r}",
            )
            for position, rule in enumerate(self.expectations.rules)
            if rule.column is not None
        ]
        if problems:
            raise located_error(problems)
        return self

    @field_validator("tags")
    @classmethod
    def _tags_fit_airflow(cls, tags: tuple[str, ...]) -> tuple[str, ...]:
        too_long = next((tag for tag in tags if len(tag) > LONGEST_TAG), None)
        if too_long is not None:
            raise ValueError(
                f"{too_long[:20]!r}… has {len(too_long)} characters; hint: Airflow accepts at most {LONGEST_TAG}"
            )
        return tags

    @field_validator("owner_link")
    @classmethod
    def _owner_link_is_an_address(cls, link: str) -> str:
        if not re.match(_OWNER_LINK, link):
            raise ValueError(
                f"{without_password(link)!r} is not a valid link; hint: write an address like "
                "https://wiki.example.com/team or mailto:data@example.com"
            )
        return link

    @model_validator(mode="after")
    def _an_answer_may_come_in_time(self) -> Pipeline:
        if self.release.ask and self.release.wait_hours * 60 >= self.run_timeout_minutes:
            problem = (
                f"is {self.release.wait_hours!r}, but a run is stopped after {self.run_timeout_minutes} minutes; hint: "
                "lower it, or raise timeout_minutes (a run may take twice as long)"
            )
            raise located_error([(["release", "wait_hours"], problem)])
        return self

    @field_validator("groups")
    @classmethod
    def _groups_are_distinct(cls, groups: tuple[LoadGroup, ...]) -> tuple[LoadGroup, ...]:
        names = [group.name for group in groups]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"duplicate group name {twice!r}; hint: rename or remove one")
        return groups


def load_pipeline(folder: Path) -> Pipeline:
    """Only ``pipeline.yml``; no table file is read.

    Raises:
        ConfigurationError: with all problems of the file.
    """
    document = YamlDocument(folder / "pipeline.yml", folder)
    pipeline = document.validate(Pipeline)
    if pipeline is None:
        raise ConfigurationError(document.problems)
    return pipeline

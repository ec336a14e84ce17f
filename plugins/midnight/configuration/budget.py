"""The ``budget`` of ``include/pipeline.yml``: what runs may cost."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from midnight.configuration.base import ConfigurationModel
from midnight.configuration.yaml_document import located_error


class Budget(ConfigurationModel):
    """What runs may cost, in the currency of ``prices.yml`` (docs/costs.md).

    Args:
        per_run: amount that a run may cost.
        per_month: amount that the runs of a calendar month may cost together.
        when_exceeded: ``warn`` on the page and in the log; ``stop``: the next run stops before its Spark jobs, until
            someone starts one with the parameter ``ignore_budget``.
    """

    per_run: float | None = Field(default=None, gt=0)
    per_month: float | None = Field(default=None, gt=0)
    when_exceeded: Literal["warn", "stop"] = "warn"

    @model_validator(mode="after")
    def _stop_has_an_amount(self) -> Budget:
        if self.when_exceeded == "stop" and self.per_run is None and self.per_month is None:
            raise located_error([(["when_exceeded"], "'stop' needs an amount; hint: add per_run or per_month")])
        return self

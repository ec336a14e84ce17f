"""What every part of the configuration has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ConfigurationModel(BaseModel):
    """Unknown fields are errors: a misspelt rule that is silently ignored lets dirt through."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

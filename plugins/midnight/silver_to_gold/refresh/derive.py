"""Derives how a model is refreshed from its query."""

from __future__ import annotations

from collections.abc import Mapping

from midnight.silver_to_gold.models import GoldModel
from midnight.silver_to_gold.refresh.plan import RefreshPlan
from midnight.silver_to_gold.spark_sql.scopes import Relation


def derive_refresh(model: GoldModel, relations: Mapping[str, Relation]) -> RefreshPlan:
    """How a model is refreshed.

    Args:
        model: as the engine gets it.
        relations: ``spark_sql.relations.views`` of the configured tables and models: the columns and types of every
            view. Without a relation fewer queries can be derived.
    """
    return RefreshPlan("full", f"gold.{model.name} is always built whole: its query is not analysed yet")

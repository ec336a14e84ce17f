"""Contracts that require a refresh by keys where the query does not permit it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from midnight.configuration.tables import Table
from midnight.configuration.yaml_document import YamlDocument
from midnight.errors import ConfigurationProblem
from midnight.silver_to_gold.models import GoldModel
from midnight.silver_to_gold.refresh.derive import derive_refresh
from midnight.silver_to_gold.spark_sql.relations import views


def refresh_problems(models: Sequence[GoldModel], tables: Iterable[Table], folder: Path) -> list[ConfigurationProblem]:
    """A problem for each model with ``refresh: key`` that can only be built whole; only these models are analysed.

    Args:
        models: all models.
        tables: the configured tables.
        folder: the configuration folder, to find the line in the contract.
    """
    required = [model for model in models if model.contract.refresh == "key"]
    relations = views(tables, {model.name: model.contract for model in models}) if required else {}
    problems = []
    for model in required:
        plan = derive_refresh(model, relations)
        if plan.kind == "full":
            document = YamlDocument(folder / "sql" / "gold" / f"{model.name}.yml", folder)
            why = plan.reason.partition(": ")[2]
            message = (
                f"'key' is not possible: {why}; hint: remove it, and the model is built whole when an input changes"
            )
            problems.append(document.problem(["refresh"], message))
    return problems

"""Which models keep their last table, because the run has stopped a table that they depend on."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from midnight.silver_to_gold.models import GoldModel


def models_to_keep(models: Sequence[GoldModel], stopped: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Model -> the stopped silver tables that its query or its checks read, directly or through other models.

    Args:
        models: each after the models that it references.
        stopped: silver names.
    """
    found: dict[str, tuple[str, ...]] = {}
    for model in models:
        names: set[str] = set()
        for reference in model.references.values():
            layer, _, name = reference.partition(".")
            if layer == "silver":
                names |= {name} & set(stopped)
            else:
                names |= set(found.get(name, ()))
        if names:
            found[model.name] = tuple(sorted(names))
    return found

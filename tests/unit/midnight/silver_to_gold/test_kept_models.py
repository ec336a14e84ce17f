"""Which models keep their last table when tables are stopped."""

from __future__ import annotations

from midnight.silver_to_gold.kept_models import models_to_keep
from midnight.silver_to_gold.models import GoldModel


def model(name: str, *references: str) -> GoldModel:
    return GoldModel.model_validate(
        {
            "name": name,
            "sql": "SELECT 1 AS id",
            "references": {reference.replace(".", "__"): reference for reference in references},
            "contract": {"description": "d", "key": ["id"], "columns": [{"name": "id", "type": "INT"}]},
        }
    )


def test_models_follow_their_references() -> None:
    models = [
        model("one", "silver.a"),
        model("two", "silver.b"),
        model("three", "gold.one", "gold.two"),
        model("four", "gold.three", "silver.c"),
        model("five", "silver.c"),
    ]
    assert models_to_keep(models, {"a"}) == {"one": ("a",), "three": ("a",), "four": ("a",)}
    assert models_to_keep(models, {"b", "c"})["four"] == ("b", "c")
    assert models_to_keep(models, ()) == {}

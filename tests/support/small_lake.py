"""The smallest input for both jobs: one table, and one model of all its rows."""

from __future__ import annotations

from midnight.silver_to_gold.models import GoldModel
from tests.support.sealed_batches import table

T = table("t", {"id": "integer", "v": "text"}, key=["id"])
MODEL = GoldModel.model_validate(
    {
        "name": "all_of_t",
        "sql": "SELECT id, v FROM silver__t",
        "references": {"silver__t": "silver.t"},
        "contract": {
            "description": "t",
            "key": ["id"],
            "columns": [{"name": "id", "type": "INT"}, {"name": "v", "type": "STRING", "max_length": 10}],
        },
    }
)

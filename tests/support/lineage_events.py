"""Events of OpenLineage: validated against the specification's schemas, and what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

from midnight.settings import REPOSITORY

SCHEMAS = [json.loads(path.read_text()) for path in sorted((REPOSITORY / "tests/data/openlineage").glob("*.json"))]
REGISTRY = Registry().with_resources([(schema["$id"], Resource.from_contents(schema)) for schema in SCHEMAS])


def problems(event: dict[str, Any]) -> list[str]:
    """What the schemas of the event and of each of its facets report."""
    pointers = [(event, "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent")]
    facets = [event["run"].get("facets", {}), event["job"].get("facets", {})]
    facets += [dataset.get("facets", {}) for dataset in (*event["inputs"], *event["outputs"])]
    pointers += [
        (facet, facet["_schemaURL"])
        for found in facets
        for facet in found.values()
        if "openlineage.io" in facet["_schemaURL"]
    ]
    return [
        f"{error.json_path}: {error.message}"
        for value, pointer in pointers
        for error in Draft202012Validator(
            {"$ref": pointer}, registry=REGISTRY, format_checker=FormatChecker()
        ).iter_errors(value)
    ]


def read_events(path: Path) -> list[dict[str, Any]]:
    """The events that the file transport has written, one per line."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def names(datasets: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Namespace and name of each dataset."""
    return {(dataset["namespace"], dataset["name"]) for dataset in datasets}


def columns_of(event: dict[str, Any], name: str) -> dict[str, Any]:
    """The facet with the lineage of the columns of an output, by the last part of its name."""
    return next(d["facets"]["columnLineage"] for d in event["outputs"] if Path(d["name"]).name == name)

"""The files of ``include/adf/``, in the layout of Data Factory's Git integration, compared with a deployed factory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from midnight.configuration.pipeline import Pipeline, load_pipeline
from midnight.data_factory.pipeline import PIPELINE, copy_pipeline
from midnight.data_factory.resources import datasets, linked_services

FOLDER = "adf"
# In the order of their references to each other.
KINDS = ("linkedService", "dataset", "pipeline")
# An annotation of the pipeline: which files the factory was deployed from. Terraform deploys the pipeline last.
DEFINITION = "definition:"


def factory_files(folder: Path) -> dict[str, str]:
    """The factory's files, as path below the configuration folder -> text.

    Args:
        folder: the configuration folder (``include/``).

    Raises:
        ConfigurationError: ``pipeline.yml`` is wrong.
    """
    return {
        f"{FOLDER}/{kind}/{name}.json": json.dumps({"name": name, "properties": properties}, indent=2) + "\n"
        for kind, resources in factory_resources(load_pipeline(folder)).items()
        for name, properties in resources.items()
    }


def factory_resources(pipeline: Pipeline) -> dict[str, dict[str, dict[str, Any]]]:
    """Kind -> name -> properties; the pipeline is annotated with the hash of them all."""
    resources: dict[str, dict[str, dict[str, Any]]] = {
        "linkedService": linked_services(),
        "dataset": datasets(),
        "pipeline": {PIPELINE: copy_pipeline(pipeline)},
    }
    content = json.dumps(resources, sort_keys=True).encode()
    resources["pipeline"][PIPELINE]["annotations"].append(DEFINITION + hashlib.sha256(content).hexdigest()[:16])
    return resources


def pipeline_differences(found: Mapping[str, Any], pipeline: Pipeline) -> list[str]:
    """How a deployed pipeline differs from the expected one.

    Defaults that the service adds are not differences.

    Args:
        found: ``properties`` of the deployed pipeline.
        pipeline: of this configuration.

    Returns:
        One text per difference, for a message.
    """
    expected = factory_resources(pipeline)["pipeline"][PIPELINE]
    names = sorted(found.get("parameters", {}))
    result = [] if names == sorted(expected["parameters"]) else [f"parameters are {names!r}"]
    for part in ("annotations", "activities"):
        result += _differences(found.get(part), expected[part], part)
    return result


def _differences(found: Any, expected: Any, place: str) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(found, dict):
        for name, value in expected.items():
            yield from _differences(found.get(name), value, f"{place}.{name}")
    elif isinstance(expected, list) and isinstance(found, list) and len(found) == len(expected):
        for position, value in enumerate(expected):
            name = value.get("name", position) if isinstance(value, dict) else position
            yield from _differences(found[position], value, f"{place}[{name}]")
    elif found != expected:
        yield f"{place} is {found!r}, expected {expected!r}"

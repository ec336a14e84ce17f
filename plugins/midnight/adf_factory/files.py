"""The files of ``include/adf/``, in the layout of Data Factory's Git integration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from midnight.adf_factory.pipeline import PIPELINE, copy_pipeline
from midnight.adf_factory.resources import datasets, linked_services
from midnight.pipeline_config import load_pipeline

FOLDER = "adf"
# In the order in which they refer to each other.
KINDS = ("linkedService", "dataset", "pipeline")


def factory_files(folder: Path) -> dict[str, str]:
    """The factory's files, as path below the configuration folder -> text.

    Args:
        folder: the configuration folder (``include/``).

    Raises:
        ConfigurationError: ``pipeline.yml`` is wrong.
    """
    resources: dict[str, dict[str, dict[str, Any]]] = {
        "linkedService": linked_services(),
        "dataset": datasets(),
        "pipeline": {PIPELINE: copy_pipeline(load_pipeline(folder))},
    }
    return {
        f"{FOLDER}/{kind}/{name}.json": json.dumps({"name": name, "properties": properties}, indent=2) + "\n"
        for kind in KINDS
        for name, properties in resources[kind].items()
    }

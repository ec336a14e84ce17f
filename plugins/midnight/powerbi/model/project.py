"""The Power BI project (PBIP): all of its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from midnight.powerbi.model.definition import FOLDER
from midnight.powerbi.model.pbir import pbir_files
from midnight.powerbi.model.semantic_model import SemanticModel, build_model, stable_id
from midnight.powerbi.model.theme import theme, theme_file
from midnight.powerbi.model.tmdl import tmdl_files

_SCHEMAS = "https://developer.microsoft.com/json-schemas/fabric"


def project_files(folder: Path) -> dict[str, str]:
    """The project's files, as path below the configuration folder -> text.

    Args:
        folder: the configuration folder (``include/``).

    Raises:
        ConfigurationError: with all problems of the definition.
    """
    return files_of_model(build_model(folder))


def files_of_model(model: SemanticModel) -> dict[str, str]:
    """The project's files for a model, as path below the configuration folder -> text."""
    name = model.definition.name
    semantic, report = f"{name}.SemanticModel", f"{name}.Report"
    documents: dict[str, Any] = {
        f"{name}.pbip": {
            "$schema": f"{_SCHEMAS}/pbip/pbipProperties/1.0.0/schema.json",
            "version": "1.0",
            "artifacts": [{"report": {"path": report}}],
            "settings": {"enableAutoRecovery": True},
        },
        f"{semantic}/definition.pbism": {
            "$schema": f"{_SCHEMAS}/item/semanticModel/definitionProperties/1.0.0/schema.json",
            "version": "4.2",
            "settings": {},
        },
        f"{report}/definition.pbir": {
            "$schema": f"{_SCHEMAS}/item/report/definitionProperties/2.0.0/schema.json",
            "version": "4.0",
            "datasetReference": {"byPath": {"path": f"../{semantic}"}},
        },
        f"{report}/StaticResources/RegisteredResources/{theme_file(name)}": theme(name),
        f"{semantic}/.platform": _platform("SemanticModel", name, model.definition.description),
        f"{report}/.platform": _platform("Report", name, model.definition.description),
    }
    documents |= {f"{report}/definition/{path}": document for path, document in pbir_files(model).items()}
    files = {path: json.dumps(document, indent=2, ensure_ascii=False) + "\n" for path, document in documents.items()}
    files |= {f"{semantic}/definition/{path}": text for path, text in tmdl_files(model).items()}
    return {f"{FOLDER}/{path}": text for path, text in files.items()}


def _platform(kind: str, name: str, description: str) -> dict[str, Any]:
    return {
        "$schema": f"{_SCHEMAS}/gitIntegration/platformProperties/2.0.0/schema.json",
        "metadata": {"type": kind, "displayName": name, "description": description},
        "config": {"version": "2.0", "logicalId": stable_id("item", kind)},
    }

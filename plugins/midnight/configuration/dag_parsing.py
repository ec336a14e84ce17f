"""The part of the configuration that the DAG files need: small, fast to read, and without exceptions.

A DAG that fails to import disappears from the UI and does not run. The DAG therefore imports whatever the files hold,
and the first task of its next run fails with all problems (``configuration_check.check``).
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from midnight.configuration.files import table_files
from midnight.configuration.pipeline import Pipeline
from midnight.configuration.source import Source
from midnight.configuration.yaml_document import YamlDocument
from midnight.names import SHORTENED, from_folder_name, qualified_name


def pipeline_for_parsing(folder: Path) -> Pipeline:
    """``pipeline.yml``, with the default for every field that is not valid."""
    document = YamlDocument(folder / "pipeline.yml", folder)
    pipeline = document.validate(Pipeline)
    if pipeline is not None:
        return pipeline
    fields: dict[str, object] = {"source": Source(name="unknown")}
    for name, value in (document.data if isinstance(document.data, dict) else {}).items():
        try:
            fields[name] = getattr(Pipeline.model_validate({**fields, name: value}), name)
        except (ValidationError, AttributeError, TypeError):
            continue
    return Pipeline.model_validate({name: fields[name] for name in fields if name in Pipeline.model_fields})


def list_table_names(folder: Path) -> list[str]:
    """Qualified names of the configured tables, from the file names alone (for the trigger form).

    A name that is too long for a file name is not listed, but a run accepts it.
    """
    stems = sorted(path.stem for path in table_files(folder))
    parts = [[from_folder_name(part) for part in stem.split(".", 1)] for stem in stems if SHORTENED not in stem]
    # A file that does not follow the naming of `make init` is shown by its file name.
    return [qualified_name(*names) if len(names) == 2 and all(names) else ".".join(names) for names in parts]

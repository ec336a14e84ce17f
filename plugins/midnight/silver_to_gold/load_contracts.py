"""The contracts of gold models alone, without their queries."""

from __future__ import annotations

from pathlib import Path

from midnight.configuration.yaml_document import YamlDocument
from midnight.errors import ConfigurationError, ConfigurationProblem
from midnight.silver_to_gold.models import GoldModelContract


def load_gold_contracts(folder: Path) -> dict[str, GoldModelContract]:
    """The contracts ``sql/gold/*.yml`` below the configuration folder, by model name.

    Raises:
        ConfigurationError: with all problems of all files.
    """
    problems: list[ConfigurationProblem] = []
    contracts = {}
    for path in sorted((folder / "sql" / "gold").glob("*.yml")):
        document = YamlDocument(path, folder)
        contract = document.validate(GoldModelContract)
        problems += document.problems
        if contract is not None:
            contracts[path.stem] = contract
    if problems:
        raise ConfigurationError(problems)
    return contracts

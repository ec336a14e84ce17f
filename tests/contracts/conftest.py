"""Fixtures of the contracts of ``infra/`` and of the Power BI project."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from midnight.settings import REPOSITORY
from tests.contracts.infra_module import read_files
from tests.contracts.terraform_files import TerraformFiles


@pytest.fixture(scope="session")
def terraform() -> TerraformFiles:
    """The files of ``infra/``; read them only."""
    return read_files()


@pytest.fixture
def include(tmp_path: Path) -> Path:
    """A copy of what the Power BI project is generated from, which the test may change."""
    for part in ("sql/gold", "sql/serving"):
        shutil.copytree(REPOSITORY / "include" / part, tmp_path / part)
    (tmp_path / "powerbi").mkdir()
    shutil.copy(REPOSITORY / "include" / "powerbi" / "model.yml", tmp_path / "powerbi")
    return tmp_path

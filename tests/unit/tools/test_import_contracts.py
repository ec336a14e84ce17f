"""The contract that keeps heavy packages out of DAG parsing."""

from __future__ import annotations

from pathlib import Path

import grimp
import pytest
from importlinter.domain.contract import ContractCheck

from tools.import_contracts import ForbiddenAtImportContract

PACKAGE = {
    "__init__.py": "",
    "top.py": "import shop.middle\n",
    "middle.py": "from shop.bottom import function\n",
    "bottom.py": "def function():\n    import pyarrow\n",
}


def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str]) -> ContractCheck:
    folder = tmp_path / "shop"
    folder.mkdir()
    for name, text in {**PACKAGE, **changes}.items():
        (folder / name).write_text(text)
    (tmp_path / "dag.py").write_text("from shop.top import anything\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    options = {"source_modules": [], "source_files": ["dag.py"], "forbidden_modules": ["pyarrow"]}
    contract = ForbiddenAtImportContract("parsing", {}, options)
    graph = grimp.build_graph("shop", include_external_packages=True, cache_dir=None)
    return contract.check(graph, verbose=False)


def test_an_import_inside_of_a_function_is_allowed(tmp_path, monkeypatch):
    assert check(tmp_path, monkeypatch, {}).kept


@pytest.mark.parametrize(
    "text",
    [
        "import pyarrow.compute\n",
        "from pyarrow import csv\n",
        "try:\n    import pyarrow\nexcept ImportError:\n    pyarrow = None\n",
        "class A:\n    import pyarrow\n",
        "from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n    import pyarrow\n",
    ],
)
def test_an_import_at_module_level_is_found_through_other_modules(tmp_path, monkeypatch, text):
    result = check(tmp_path, monkeypatch, {"bottom.py": f"{text}def function(): ...\n"})
    assert not result.kept
    assert result.metadata["chains"][0].startswith("dag.py -> shop.top -> shop.middle -> shop.bottom -> pyarrow")


def test_an_import_for_type_checkers_is_allowed(tmp_path, monkeypatch):
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pyarrow\ndef function(): ...\n"
    assert check(tmp_path, monkeypatch, {"bottom.py": text}).kept

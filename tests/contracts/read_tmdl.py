"""What Microsoft's parser reads in a TMDL folder."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def read_tmdl(*folders: Path) -> list[Any]:
    """One document per folder, see ``tabular_object_model.describe``."""
    if sys.platform == "darwin" or platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("the package index has the .NET runtime for Linux and Windows on x86-64 only")
    command = [sys.executable, str(Path(__file__).with_name("tabular_object_model.py")), *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]

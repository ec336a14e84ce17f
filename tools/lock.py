"""`make lock`: the requirements*.txt from their .in files, for every platform, with hashes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY)]

from tools.bootstrap import uv_environment  # noqa: E402 (only now it can be found)

_OPTIONS = ("--quiet", "--generate-hashes", "--universal", "--python-version", "3.11", "--no-annotate")
# uv keeps the versions that the file already has, so that the lock changes only where it has to.
_FILES = {
    "requirements.in": "requirements.txt",
    "requirements-dev.in": "requirements-dev.txt",
    "requirements-scan.in": "requirements-scan.txt",
    "requirements-docs.in": "requirements-docs.txt",
}


def main() -> int:
    """Renew the lock files; 0 when all succeeded."""
    environment = uv_environment(sys.executable)
    environment["UV_CUSTOM_COMPILE_COMMAND"] = "make lock"
    for source, target in _FILES.items():
        command = [sys.executable, "-m", "uv", "pip", "compile", *_OPTIONS, source, "--output-file", target]
        if source == "requirements-dev.in":
            command += ["--constraint", "requirements.txt"]  # the same pins in both
        if subprocess.run(command, cwd=REPOSITORY, env=environment, check=False).returncode != 0:
            return 1
        lines = (REPOSITORY / target).read_text(encoding="utf-8").splitlines()
        if any(line.lstrip().startswith(("--index-url", "--extra-index-url", "--find-links")) for line in lines):
            print(f"{target} contains an index of this machine; hint: remove that line", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

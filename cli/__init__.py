"""The command `midnight`: what a person or the Makefile runs; not part of the product that runs in Azure."""

import sys
from pathlib import Path

# As Airflow does, so that `midnight` is found, also by `python -m tools.generated_files`.
sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "plugins")]

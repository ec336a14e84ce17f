"""What a developer of Midnight runs: generated files, the lock, the wheel, releases. `make` calls it."""

import sys
from pathlib import Path

# As Airflow does, so that `midnight` is found by `python -m tools.generated_files`.
sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "plugins")]

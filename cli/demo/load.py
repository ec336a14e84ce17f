"""``python -m cli.demo.load``: loads the demo source into a running server (docker-compose.yaml)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cli.demo.source import DATABASE, load_demo
from cli.postgres.embedded import Server
from midnight.errors import MidnightError

VARIABLES = ("DEMO_HOST", "DEMO_PORT", "DEMO_USER", "DEMO_PASSWORD", "DEMO_READER_PASSWORD")


def _value(name: str) -> str:
    """A variable, or the content of the file in the variable with the suffix ``_FILE`` (Compose's secrets)."""
    file = os.environ.get(f"{name}_FILE")
    return Path(file).read_text(encoding="utf-8").strip() if file else os.environ.get(name, "")


def main() -> int:
    """Load the demo once; a second call only changes the reader's password."""
    if os.environ.get("MIDNIGHT_PROFILE") == "azure":
        print("error: MIDNIGHT_PROFILE is 'azure'; hint: start Compose without --profile demo", file=sys.stderr)
        return 2
    values = [_value(name) for name in VARIABLES]
    missing = [name for name, value in zip(VARIABLES, values, strict=True) if not value]
    if missing:
        print(f"error: {', '.join(missing)} must be set; hint: see docker-compose.yaml", file=sys.stderr)
        return 2
    host, port, user, password, reader_password = values
    server = Server(host=host, port=int(port), user=user, password=password, database="postgres")
    try:
        loaded = load_demo(server, reader_password)
    except MidnightError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"database {DATABASE} on {host}: {'loaded' if loaded else 'already existed'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""``python -m local.load_demo``: loads the demo source into a server that runs already (docker-compose.yaml)."""

from __future__ import annotations

import os
import sys

from local.demo_source import DATABASE, load_demo
from local.embedded_postgres import Server
from midnight.errors import MidnightError

VARIABLES = ("DEMO_HOST", "DEMO_PORT", "DEMO_USER", "DEMO_PASSWORD", "DEMO_READER_PASSWORD")


def main() -> int:
    """Load it once; a second call changes nothing but the reader's password."""
    missing = [name for name in VARIABLES if not os.environ.get(name)]
    if missing:
        print(f"error: set {', '.join(missing)}; docker-compose.yaml shows how", file=sys.stderr)
        return 2
    host, port, user, password, reader_password = (os.environ[name] for name in VARIABLES)
    server = Server(host=host, port=int(port), user=user, password=password, database="postgres")
    try:
        loaded = load_demo(server, reader_password)
    except MidnightError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"database {DATABASE} on {host}: {'loaded' if loaded else 'was there already'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The option ``--format`` of the commands whose output another program may read; `make` gives it as FORMAT=json."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence


def add_format(parser: argparse.ArgumentParser, formats: Sequence[str]) -> None:
    """Add ``--format`` and ``--json``; without them the variable FORMAT counts, then the first of ``formats``."""
    given = os.environ.get("FORMAT", "") or formats[0]
    if given not in formats:
        parser.error(f"FORMAT={given!r} is not a format; hint: one of {', '.join(formats)}")
    parser.add_argument(
        "--format", choices=formats, default=given, help="default: the variable FORMAT, else %(default)s"
    )
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")

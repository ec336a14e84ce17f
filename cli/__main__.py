"""``python -m cli``: the command `midnight`, also where it is not installed."""

from __future__ import annotations

from cli.main import app


def main() -> None:
    """Run the command of the process's arguments, and exit with its code."""
    app(prog_name="midnight")


if __name__ == "__main__":
    main()

"""What Entra ID says when it refuses the client secret of an application."""

from __future__ import annotations

import re

# "Microsoft Entra authentication and authorization error codes", Microsoft Learn.
_SECRET_PROBLEMS = {"AADSTS7000222": "has expired", "AADSTS7000215": "is wrong"}
_CODE = re.compile(r"\bAADSTS\d+\b")


def refused_secret(text: str) -> tuple[str, str] | None:
    """Entra ID's code, and what it means for the client secret; None if the text is about something else.

    Args:
        text: of an error.
    """
    return next(((code, _SECRET_PROBLEMS[code]) for code in _CODE.findall(text) if code in _SECRET_PROBLEMS), None)

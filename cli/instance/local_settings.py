"""Settings of the commands that work on the local profile only."""

from __future__ import annotations

from midnight.errors import MidnightError
from midnight.settings import Settings, load_settings


class LocalOnlyError(MidnightError):
    """A command works on the local profile only."""


def local_settings(command: str, in_azure: str) -> Settings:
    """The settings of the local profile.

    Args:
        command: as a user types it.
        in_azure: the hint for the azure profile.

    Raises:
        LocalOnlyError: the profile is azure.
    """
    settings = load_settings()
    if settings.profile != "local":
        raise LocalOnlyError(
            f"`{command}` works on the local lake, but MIDNIGHT_PROFILE is {settings.profile!r}; hint: {in_azure}, or "
            "work with MIDNIGHT_PROFILE=local"
        )
    return settings

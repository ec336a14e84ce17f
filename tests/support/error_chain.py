"""What an exception and its causes show."""

from __future__ import annotations


def assert_no_secret(error: BaseException | None, secrets: list[str]) -> None:
    """No secret is in an exception or in its causes."""
    while error is not None:
        assert not [secret for secret in secrets if secret in f"{error!r} {error}"]
        error = error.__cause__ or error.__context__

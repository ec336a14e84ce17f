"""Pseudonyms for personal data: a keyed digest, which keeps equal values equal and cannot be guessed without the key.

A pseudonym is the first 32 hexadecimal digits (128 bits) of HMAC-SHA-256 (RFC 2104) over the UTF-8 text of the cleaned
value. All tables share one key: joins and foreign keys still work. Truncating HMAC to half its length or more is
sound (RFC 2104, section 5); two of a billion values share a pseudonym with a probability of 1.5e-21.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from midnight.configuration.checks import Expression
from midnight.configuration.connections import VARIABLES_PREFIX, secret_name
from midnight.configuration.tables import Table
from midnight.errors import ConfigurationError, ConfigurationProblem

if TYPE_CHECKING:
    from midnight.configuration.files import Configuration

KEY_VARIABLE = "midnight_masking_key"
KEY_SECRET = secret_name(KEY_VARIABLE, VARIABLES_PREFIX)
PSEUDONYM_DIGITS = 32
GENERATE_KEY_COMMAND = 'python3 -c "import secrets; print(secrets.token_hex(32))"'
_KEY_BYTES = 32  # HMAC-SHA-256 gains nothing from more (RFC 2104, section 3)
# 32 random bytes have fewer than 20 different values once in 10^12; a word or a repeated pattern has.
_DIFFERENT_BYTES = 20


@dataclass(frozen=True)
class MaskingKey:
    """The masking key. Its ``repr`` does not contain the secret.

    Args:
        secret: at least 32 random bytes.
    """

    secret: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """Identifies the key without revealing it; no pseudonym, because values of PostgreSQL do not contain NUL."""
        return hmac.digest(self.secret, b"\0midnight masking key", "sha256").hex()[:8]

    def pseudonym(self, text: str) -> str:
        """The pseudonym of the text of a value."""
        return hmac.digest(self.secret, text.encode(), "sha256").hex()[:PSEUDONYM_DIGITS]


def parse_key(text: str | None) -> MaskingKey:
    """Parse the text of the variable or secret.

    Raises:
        ValueError: the key is missing or weak; the message does not contain it.
    """
    hint = f"hint: generate one with {GENERATE_KEY_COMMAND}"
    if text is None or not text.strip():
        raise ValueError(f"does not exist or is empty; {hint}")
    digits = text.strip()
    if not re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", digits):
        raise ValueError(f"is not hexadecimal; {hint}")
    secret = bytes.fromhex(digits)
    if len(secret) < _KEY_BYTES:
        raise ValueError(f"has {len(secret)} bytes, fewer than {_KEY_BYTES}; {hint}")
    if len(set(secret)) < _DIFFERENT_BYTES:
        raise ValueError(f"is not random; {hint}")
    return MaskingKey(secret)


def uses_masking(tables: Sequence[Table]) -> bool:
    """Whether any table has masked columns, which need the key."""
    return any(table.masked_columns for table in tables)


def masking_state(table: Table, key: MaskingKey | None) -> str:
    """The fingerprint of the key and the masked columns, for the ledger; empty if no column is masked.

    Raises:
        ConfigurationError: the table has masked columns, and there is no key.
    """
    names = sorted(column.name for column in table.masked_columns)
    if not names:
        return ""
    if key is None:
        raise ConfigurationError(
            [
                ConfigurationProblem(
                    table.qualified_name, None, "mask", f"{names!r} need {KEY_VARIABLE}, which is missing"
                )
            ]
        )
    return f"{key.fingerprint}:{','.join(names)}"


def key_fingerprint(state: str) -> str:
    """The fingerprint of the key in a ``masking_state``; empty if no column is masked."""
    return state.partition(":")[0]


def describe_masking(state: str) -> str:
    """A ``masking_state`` as text for messages."""
    fingerprint, _, names = state.partition(":")
    return f"masked {names.replace(',', ', ')} (key {fingerprint})" if state else "no masked columns"


def may_quote_masked_values(table: Table) -> bool:
    """Whether an error of the engine about this table may contain a masked value.

    An expression check that fails to cast a text quotes it. All other casts and comparisons cannot fail.
    """
    return bool(table.masked_columns) and any(isinstance(check, Expression) for check in table.checks)


def key_problems(configuration: Configuration, tables: Sequence[Table], message: str) -> list[ConfigurationProblem]:
    """One problem per table that needs the key, with the line of its first masked column.

    Args:
        configuration: with the files of the tables, for the line numbers.
        tables: of the run.
        message: what is wrong with the key; follows "which".
    """
    return [
        configuration.problem(
            table,
            ["columns", table.columns.index(table.masked_columns[0]), "mask"],
            f"needs the key in the Airflow variable {KEY_VARIABLE}, which {message}",
        )
        for table in tables
        if table.masked_columns
    ]

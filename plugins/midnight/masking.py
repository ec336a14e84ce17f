"""Pseudonyms for personal values: a keyed digest, so that equal values stay equal and nobody without the key can try.

A pseudonym is the first 32 hexadecimal digits (128 bits) of HMAC-SHA-256 (RFC 2104) over the UTF-8 text of the cleaned
value. All tables share one key: joins and foreign keys go on working. Truncating HMAC to half its length or more is
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
    from midnight.configuration.pipeline import Configuration

KEY_VARIABLE = "midnight_masking_key"
KEY_SECRET = secret_name(KEY_VARIABLE, VARIABLES_PREFIX)
PSEUDONYM_DIGITS = 32
GENERATE_KEY_COMMAND = 'python3 -c "import secrets; print(secrets.token_hex(32))"'
_KEY_BYTES = 32  # HMAC-SHA-256 gains nothing from more (RFC 2104, section 3)
# 32 random bytes have fewer than 20 different values once in 10^12; a word or a repeated pattern has.
_DIFFERENT_BYTES = 20


@dataclass(frozen=True)
class MaskingKey:
    """The secret, which no text of this object shows.

    Args:
        secret: at least 32 random bytes.
    """

    secret: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """Tells two keys apart without saying anything about them. No value of PostgreSQL has a NUL in it."""
        return hmac.digest(self.secret, b"\0midnight masking key", "sha256").hex()[:8]

    def pseudonym(self, text: str) -> str:
        """The pseudonym of a value's text."""
        return hmac.digest(self.secret, text.encode(), "sha256").hex()[:PSEUDONYM_DIGITS]


def parse_key(text: str | None) -> MaskingKey:
    """The key from the text of the variable or secret.

    Raises:
        ValueError: what is wrong with it, without quoting any of it, and how to make one.
    """
    cure = f"make one with {GENERATE_KEY_COMMAND}"
    if text is None or not text.strip():
        raise ValueError(f"does not exist or is empty; {cure}")
    digits = text.strip()
    if not re.fullmatch(r"(?:[0-9A-Fa-f]{2})+", digits):
        raise ValueError(f"is not hexadecimal; {cure}")
    secret = bytes.fromhex(digits)
    if len(secret) < _KEY_BYTES:
        raise ValueError(f"has {len(secret)} bytes, fewer than {_KEY_BYTES}; {cure}")
    if len(set(secret)) < _DIFFERENT_BYTES:
        raise ValueError(f"is not random; {cure}")
    return MaskingKey(secret)


def uses_masking(tables: Sequence[Table]) -> bool:
    """Whether the key is needed."""
    return any(table.masked_columns for table in tables)


def masking_state(table: Table, key: MaskingKey | None) -> str:
    """How a table is masked, for the ledger: the key's fingerprint and the columns; empty without masked columns.

    Raises:
        ConfigurationError: columns are to be masked, and there is no key.
    """
    names = sorted(column.name for column in table.masked_columns)
    if not names:
        return ""
    if key is None:
        raise ConfigurationError(
            [ConfigurationProblem(table.qualified_name, None, "mask", f"{names!r} need {KEY_VARIABLE}, nobody gave it")]
        )
    return f"{key.fingerprint}:{','.join(names)}"


def key_fingerprint(state: str) -> str:
    """The fingerprint of the key in a ``masking_state``; empty without masked columns."""
    return state.partition(":")[0]


def describe_masking(state: str) -> str:
    """A ``masking_state`` for people."""
    fingerprint, _, names = state.partition(":")
    return f"masked {names.replace(',', ', ')} (key {fingerprint})" if state else "nothing masked"


def may_quote_masked_values(table: Table) -> bool:
    """Whether an engine's error about this table may hold a value: an expression that cannot cast a text quotes it.

    All other casts and comparisons are made so that they cannot fail.
    """
    return bool(table.masked_columns) and any(isinstance(check, Expression) for check in table.checks)


def key_problems(configuration: Configuration, tables: Sequence[Table], message: str) -> list[ConfigurationProblem]:
    """A problem with the key, once per table that needs it, with the line of its first masked column.

    Args:
        configuration: with the files of the tables.
        tables: of the run.
        message: what is wrong, as the rest of a sentence that begins with the name of the key.
    """
    return [
        configuration.problem(
            table,
            ["columns", table.columns.index(table.masked_columns[0]), "mask"],
            f"needs the key in Airflow's variable {KEY_VARIABLE}, which {message}",
        )
        for table in tables
        if table.masked_columns
    ]

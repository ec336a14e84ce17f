"""The canonical form of a value and its hash as SQL of PostgreSQL; ``canonical_values`` has the other side.

Both sides derive the form on their own: the server from the column, not from the bytes that COPY sent, and the other
one from the Arrow values, not from those bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from midnight.reconciliation.canonical_values import LONGEST_HASHED, Form
from midnight.reconciliation.hashing import Hashing


@dataclass(frozen=True)
class DigestColumn:
    """A column that is compared.

    Args:
        name: in the lake.
        identifier: of the column in the source, quoted.
        form: of its values.
        expression: SQL of the canonical form, of the type that ``Form`` names: ``bigint`` or ``interval`` (timestamps
            since 1970), ``double precision``, ``numeric``, ``text``, ``bytea``.
        span: the expression is an ``interval``.
        shown: SQL of the value's text, for messages.
        plain: the expression is made of the column itself, so that it costs nothing.
        template: of the expression, with ``{}`` for the column.
        summed: SQL of what ``counts`` adds up; empty for nothing.
        ordered: PostgreSQL has a smallest and a greatest value of the type.
        masked: no message shows a value.
    """

    name: str
    identifier: str
    form: Form
    expression: str
    shown: str
    span: bool = False
    plain: bool = True
    template: str = "{}"
    summed: str = ""
    ordered: bool = False
    masked: bool = False

    def extreme(self, function: str) -> str:
        """SQL of the smallest or greatest canonical value: the column is compared before its form is made."""
        if self.plain:
            return self.template.format(f"{function}({self.identifier})")
        return f"{function}({self.expression})"


def hash_sql(column: DigestColumn, value: str, seed: str, hashing: Hashing) -> str:
    """SQL of the hash of a value, a ``bigint``; NULL for NULL.

    Args:
        column: its form.
        value: SQL of its canonical form.
        seed: SQL of a ``bigint``.
        hashing: of the server.
    """
    if not hashing.seeded:
        return f"hashint8(({_plain_hash(column, value, hashing)})::bigint # {seed})::bigint"
    match column.form:
        case "integer":
            return f"{'interval_hash_extended' if column.span else 'hashint8extended'}({value}, {seed})"
        case "float":
            text, number = f"hashtextextended({value}::text, {seed})", f"hashfloat8extended({value}, {seed})"
            return f"CASE WHEN {_is_special(value)} THEN {text} ELSE {number} END"
        case "numeric":
            return f"hash_numeric_extended({value}, CASE WHEN {value} < 0 THEN ~{seed} ELSE {seed} END)"
        case "bytes":
            short, long = f"hash_array_extended(ARRAY[{value}], {seed})", f"sha256({value})"
        case _:
            short = f'hashtextextended({value} COLLATE "C", {seed})'
            long = f"sha256(convert_to({value}, 'UTF8'))"
    hashed = f"hashtextextended(encode({long}, 'hex') COLLATE \"C\", {seed})"
    return _by_length(column, value, short, hashed, hashing)


def row_hash_sql(hashes: Sequence[str], seed: str, hashing: Hashing) -> str:
    """SQL of one hash of the hashes of a row.

    The hash of an array is a sum of those of its elements, so it is hashed once more.
    """
    array = f"ARRAY[{', '.join(hashes)}]::bigint[]"
    if hashing.seeded:
        return f"hashint8extended(hash_array_extended({array}, 0), {seed})"
    return f"hashint8(hash_array({array})::bigint # {seed})::bigint"


def bucket_sql(identity: str, seed: int, buckets: int, hashing: Hashing) -> str:
    """SQL of a row's bucket."""
    hashed = f"hashint8extended({identity}, {seed})" if hashing.seeded else f"hashint8({identity} # {seed})::bigint"
    return f"{hashed} & {buckets - 1}"


def chained_hash_sql(columns: Sequence[DigestColumn], hashing: Hashing) -> str:
    """SQL of one hash of several values, such as a key; zero for none."""
    seed = "0::bigint"
    for column in columns:
        seed = f"COALESCE({hash_sql(column, f'({column.expression})', seed, hashing)}, 0)"
    return seed


def _plain_hash(column: DigestColumn, value: str, hashing: Hashing) -> str:
    """The same in 32 bits, for PostgreSQL 10."""
    match column.form:
        case "integer":
            return f"{'interval_hash' if column.span else 'hashint8'}({value})"
        case "float":
            return f"CASE WHEN {_is_special(value)} THEN hashtext({value}::text) ELSE hashfloat8({value}) END"
        case "numeric":
            return f"hash_numeric({value}) # CASE WHEN {value} < 0 THEN -1 ELSE 0 END"
        case "bytes":
            return _by_length(column, value, f"hash_array(ARRAY[{value}])", f"hashtext(md5({value}))", hashing)
        case _:
            short, long = f'hashtext({value} COLLATE "C")', f"hashtext(md5(convert_to({value}, 'UTF8')))"
            return _by_length(column, value, short, long, hashing)


def _by_length(column: DigestColumn, value: str, short: str, long: str, hashing: Hashing) -> str:
    if column.form == "text" and not hashing.utf8:
        return long
    return f"CASE WHEN octet_length({value}) <= {LONGEST_HASHED} THEN {short} ELSE {long} END"


def _is_special(value: str) -> str:
    return f"{value} = 0 OR {value} = 'NaN'"

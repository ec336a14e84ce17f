"""Tables with masked columns, and a search for their values and the key in everything that a job writes."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from midnight.masking import MaskingKey
from spark_jobs.silver.run import build_silver
from tests.support.sealed_batches import document, seal, table

KEY = MaskingKey(hashlib.sha256(b"a key of the tests").digest())

OTHER_KEY = MaskingKey(hashlib.sha256(b"another key").digest())


def pseudonym(value: str, key: MaskingKey = KEY) -> str:
    """Computed independently of the product."""
    return hmac.new(key.secret, value.encode(), hashlib.sha256).hexdigest()[:32]


def masked(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "mask": "pseudonym", **fields}


CUSTOMERS = table(
    "customers",
    {
        "email": masked("text", null_values=["none"]),
        "born": masked("text", cast="date"),
        "phone": masked("bigint", drop=True),
        "country": "text",
    },
    key=["email"],
    on_schema_change="freeze",
    order_by=["born desc"],
    checks=[
        {"rule": "pattern", "column": "email", "regex": "[^@]+@[^@]+"},
        {"rule": "range", "column": "born", "min": "1900-01-01"},
        {"rule": "expression", "name": "lower_case", "sql": "email = lower(email)", "on_failure": "warn"},
    ],
)

ORDERS = table(
    "orders",
    {"id": "integer", "customer": masked("character varying(80)")},
    key=["id"],
    on_schema_change="freeze",
    checks=[{"rule": "foreign_key", "columns": ["customer"], "table": "customers", "references": ["email"]}],
)

PEOPLE = [
    {"email": " canary.ann@x.example ", "born": "1981-02-03", "phone": 4915100000001, "country": "DE"},
    {"email": "canary.bob@x.example", "born": None, "country": "FR"},
    {"email": "Canary.Cy@x.example", "born": "1971-01-01"},
    {"email": "canary.bob@x.example", "born": "1960-01-01", "country": "newer"},  # a duplicate: null comes last
    {"email": "canary no mail", "born": "1981-02-03"},
    {"email": "canary.old@x.example", "born": "1881-02-03", "phone": 4915100000002},
    {"email": "canary.date@x.example", "born": "canary 1981"},
    {"email": "none", "country": "nobody"},
]

BOUGHT = [{"id": 1, "customer": "canary.ann@x.example "}, {"id": 2, "customer": "canary.stranger@x.example"}]

# Parts of all personal values above.
PERSONAL = ["canary.", "Canary.", "canary no", "canary 19", "1981-02", "1881-02", "1971-01", "1960-01", "49151000000"]


def apply(session, lake, number, *batches, key=KEY, rebuild=False):
    works = [
        (t, rows if not rows or not isinstance(rows[0], dict) else seal(lake, t, number, rows)) for t, rows in batches
    ]
    return build_silver(session, document(lake, number, *works, rebuild=rebuild), key)


def contents_below(folder: str) -> bytes:
    """The content of every file, and the values of every Parquet file, whose pages are compressed."""
    parts = []
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            parts.append(path.read_bytes())
            if path.suffix == ".parquet":
                parts.append(repr(pq.read_table(path, partitioning=None).to_pylist()).encode())
    return b"\n".join(parts)


def found_in(everything: bytes, *keys: MaskingKey) -> list[str | bytes]:
    """Personal values and the key (as bytes, hexadecimal or a Python literal) that were found."""
    forms = [f for k in keys or (KEY,) for f in (k.secret, k.secret.hex().encode(), repr(k.secret)[2:-1].encode())]
    return [p for p in PERSONAL if p.encode() in everything] + [form for form in forms if form in everything]

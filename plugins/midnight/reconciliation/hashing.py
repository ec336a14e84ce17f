"""How a server hashes, which both sides of a comparison with it must do alike."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Hashing:
    """The hash functions of a server.

    Args:
        usable: they are the ones that ``lookup3`` computes: a server of another byte order has others.
        seeded: they take a seed and give 64 bits (from PostgreSQL 11); else 32 bits, combined with the seed afterwards.
        utf8: the database stores text in UTF-8, as bronze does.
    """

    usable: bool = True
    seeded: bool = True
    utf8: bool = True

    @property
    def long_digest(self) -> str:
        """By which long values are hashed: PostgreSQL 10 has no SHA-256, and some later servers no MD5."""
        return "sha256" if self.seeded else "md5"


PROBE_TEXT = "midnight probe"
SEEDED_PROBE = f"SELECT pg_catalog.hashtextextended('{PROBE_TEXT}', 8589934597)"
SEEDED_PROBE_RESULT = 6188547976748796463
PLAIN_PROBE = f"SELECT pg_catalog.hashtext('{PROBE_TEXT}')"

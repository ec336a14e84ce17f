"""A certificate authority for tests that issues certificates for Azure's real host names."""

from __future__ import annotations

from pathlib import Path

import trustme


class CertificateAuthority:
    """Issues server certificates; clients trust it, and nothing else, through ``bundle``.

    Args:
        folder: for the files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = trustme.CA(organization_name="Midnight's tests")
        self.bundle = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(self.bundle)

    def issue(self, *names: str) -> tuple[Path, Path]:
        """A certificate for these host names or addresses, and its key, as PEM files."""
        certificate = self._authority.issue_cert(*names)
        chain, key = self._folder / f"{names[0]}.pem", self._folder / f"{names[0]}.key"
        chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
        certificate.private_key_pem.write_to_path(key)
        return chain, key

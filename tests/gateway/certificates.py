"""Certificates of a day, made by openssl: authorities, devices of theirs and what can be wrong with one."""

import shutil
import subprocess
from pathlib import Path

import pytest

from sitewarden.drivers.plan import Tls

NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


class Authority:
    def __init__(self, folder: Path, name: str = "site") -> None:
        if not shutil.which("openssl"):
            pytest.skip("no openssl")
        self._folder, self._name = folder, name
        self.file = folder / f"{name}-ca.pem"
        _openssl(
            *("req", "-x509", *NEW_KEY, "-days", "1", "-subj", f"/CN={name} authority"),
            *("-keyout", self._key, "-out", self.file),
        )

    @property
    def _key(self) -> Path:
        return self.file.with_suffix(".key")

    def issue(self, who: str, names: str = "IP:127.0.0.1", days: int = 1) -> Tls:
        """How `who` speaks TLS, trusting this authority; -1 days: it expired yesterday."""
        cert = self._folder / f"{self._name}-{who}.pem"
        key, asked = cert.with_suffix(".key"), cert.with_suffix(".csr")
        about = ["-subj", f"/CN={who}", "-addext", f"subjectAltName={names}"]
        _openssl("req", *NEW_KEY, *about, "-keyout", key, "-out", asked)
        _openssl(
            *("x509", "-req", "-in", asked, "-days", str(days), "-copy_extensions", "copy"),
            *("-CA", self.file, "-CAkey", self._key, "-CAcreateserial", "-out", cert),
        )
        return Tls(str(self.file), str(cert), str(key))


def _openssl(*command: str | Path) -> None:
    subprocess.run(["openssl", *command], check=True, capture_output=True)

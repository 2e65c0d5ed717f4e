"""A self-signed certificate for addresses off loopback, until the operator brings his own."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sysmgr import env

_DAYS = 3650


def certificate() -> tuple[Path, Path]:
    """Return (certificate, key): the operator's, or a self-signed pair made once in the data dir."""
    if env.TLS_CERT_FILE:
        return Path(env.TLS_CERT_FILE), Path(env.TLS_KEY_FILE)
    folder = env.DATA_DIR / "keys"
    certificate_file, key_file = folder / "tls-certificate.pem", folder / "tls-key.pem"
    if not certificate_file.exists():
        _make(certificate_file, key_file)
    return certificate_file, key_file


def fingerprint(path: Path) -> str:
    """Return the SHA-256 fingerprint of a certificate, as browsers show it."""
    return x509.load_pem_x509_certificate(path.read_bytes()).fingerprint(hashes.SHA256()).hex(":").upper()


def _make(certificate_file: Path, key_file: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, env.ADDRESS[:64])])
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    with contextlib.suppress(ValueError):
        names.append(x509.IPAddress(ipaddress.ip_address(env.ADDRESS)))
    if len(names) == 1 and env.ADDRESS != "localhost":
        names.append(x509.DNSName(env.ADDRESS))
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    key_file.touch(mode=0o600)
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))

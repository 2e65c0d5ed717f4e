"""One-time codes (TOTP, RFC 6238: SHA-1, 6 digits, 30 s) and recovery codes: pure functions, no rows."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Iterator
from datetime import datetime
from hmac import compare_digest
from urllib.parse import quote, urlencode, urlsplit

import segno
from django_otp.oath import TOTP

from sysmgr import env

DIGITS, PERIOD, TOLERANCE = 6, 30, 1
RECOVERY_CODES = 10
_SECRET_BYTES = 20  # as long as SHA-1's result (RFC 4226, §4)
_RECOVERY_BYTES = 10  # 80 bits: 16 characters of base32, and too many for a fast digest to be guessed through


def new_secret() -> str:
    """Return a new shared secret in base32, as authenticators take it."""
    return base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def new_recovery_codes() -> list[str]:
    """Return new recovery codes as they are shown: four groups of four characters of base32."""
    made = (base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode() for _ in range(RECOVERY_CODES))
    return ["-".join(re.findall("....", code)) for code in made]


def code_in(text: str) -> str | None:
    """Return the one-time code that somebody typed, blanks left out; None where it is none."""
    digits = "".join(text.split())
    return digits if re.fullmatch(rf"[0-9]{{{DIGITS}}}", digits) else None


def recovery_in(text: str) -> str | None:
    """Return the recovery code that somebody typed; case, blanks and dashes do not matter. None where it is none."""
    code = re.sub(r"[\s-]", "", text)
    return code.upper() if re.fullmatch(r"[A-Za-z2-7]{16}", code) else None


def digest_of(recovery_code: str) -> str:
    """Return what the database keeps of a recovery code, however it was typed."""
    return hashlib.sha256((recovery_in(recovery_code) or "").encode()).hexdigest()


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """Return the time step whose code this is, among the present one and its neighbours; None where it is wrong."""
    right = [step for step, expected in _codes(secret, now) if compare_digest(expected, code)]
    return max(right, default=None)


def code_at(secret: str, now: datetime) -> str:
    """Return the code that an authenticator shows at that time."""
    return dict(_codes(secret, now, 0)).popitem()[1]


def _codes(secret: str, now: datetime, tolerance: int = TOLERANCE) -> Iterator[tuple[int, str]]:
    maker = TOTP(base64.b32decode(secret), step=PERIOD, digits=DIGITS)
    maker.time = now.timestamp()
    for drift in range(-tolerance, tolerance + 1):
        maker.drift = drift
        yield maker.t(), f"{maker.token():0{DIGITS}}"


def otpauth_uri(secret: str, user_name: str) -> str:
    """Return the address that an authenticator reads from the QR code."""
    host = (urlsplit(env.PUBLIC_URL).hostname or env.ADDRESS).replace(":", "-")  # a colon would end the issuer
    issuer = f"sysmgr {host}"
    given = {"secret": secret, "issuer": issuer, "algorithm": "SHA1", "digits": DIGITS, "period": PERIOD}
    return f"otpauth://totp/{quote(issuer, safe='')}:{quote(user_name, safe='')}?{urlencode(given, quote_via=quote)}"


def qr_svg(uri: str) -> str:
    """Return the QR code of an address as an SVG picture in a `data:` address."""
    # A white ground, because the page may be dark.
    return segno.make(uri, error="m", micro=False).svg_data_uri(scale=4, light="#fff")

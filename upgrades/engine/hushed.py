"""What a host said, made fit to be kept: printable, bounded, without secrets."""

from __future__ import annotations

import re

from sysmgr.crypto import MASK

MOST_BYTES = 8192
_LOOKED_AT = 32 * 1024  # characters; the cut to MOST_BYTES comes last, so that it cuts through no secret
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]{0,16}[A-Za-z]")
_KEYS = re.compile(r"-----BEGIN [^-\n]{1,64}-----.*?(?:-----END [^-\n]{1,64}-----|\Z)", re.S)
_END_OF_KEY = re.compile(r"\A[^-]*-----END [^-\n]{1,64}-----")  # its begin was cut off
_IN_ADDRESS = re.compile(r"(://)[^/\s@]{1,1024}@")
_HEADERS = re.compile(r"((?:authorization|cookie)[\"']?[ \t]{0,4}[:=][ \t]{0,4})[^\r\n]+", re.I)
_BEARER = re.compile(r"\b((?:bearer|basic)[ \t]{1,4})[A-Za-z0-9._~+/=-]{8,}", re.I)
_NAMES = r"(?:pass(?:word|wd|phrase)|secret|token|credential|community|api[_-]?key|private[_-]?key|otp)[\w.-]{0,32}"
_VALUE = r"(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s,;]+)"
_NAMED = re.compile(rf"({_NAMES}[\"']?[ \t]{{0,4}}[:=][ \t]{{0,4}}){_VALUE}", re.I)
_OPTION = re.compile(rf"(--?[\w-]{{0,32}}{_NAMES}[ \t]{{1,4}}){_VALUE}", re.I)


def hushed(text: str) -> str:
    """Return the end of `text`, at most MOST_BYTES, without control characters and whatever looks like a secret."""
    if not text:  # most steps say nothing
        return ""
    text = _UNPRINTABLE.sub("?", _ESCAPES.sub("", text[-_LOOKED_AT:]))
    text = _END_OF_KEY.sub(MASK, _KEYS.sub(MASK, text))
    text = _IN_ADDRESS.sub(rf"\1{MASK}@", text)
    text = _BEARER.sub(rf"\1{MASK}", _HEADERS.sub(rf"\1{MASK}", text))
    text = _OPTION.sub(rf"\1{MASK}", _NAMED.sub(rf"\1{MASK}", text))
    return text.strip().encode()[-MOST_BYTES:].decode(errors="ignore")

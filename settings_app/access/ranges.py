"""Address ranges made ready for many questions: is an address in one of them, and in which."""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache

from settings_app.validators import parse_ip_range

Parsed = tuple[int, int]  # IP version, number


def parse_address(text: str) -> Parsed | None:
    """Return (IP version, number) of an address, an IPv4-mapped one as IPv4; None if it is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or ipaddress.IPv6Address(int(address))  # without a scope
    return address.version, int(address)


class Ranges:
    """Ranges as contract §2 writes them (address, CIDR, `a-b`). What can't be read holds nothing."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = tuple(texts)
        self._parsed = [_parsed(text) for text in texts]
        merged: dict[int, list[list[int]]] = {4: [], 6: []}
        for version, first, last in sorted(found for found in self._parsed if found):
            spans = merged[version]
            if spans and first <= spans[-1][1] + 1:
                spans[-1][1] = max(spans[-1][1], last)
            else:
                spans.append([first, last])
        self._firsts = {version: [span[0] for span in spans] for version, spans in merged.items()}
        self._lasts = {version: [span[1] for span in spans] for version, spans in merged.items()}

    def holds(self, address: Parsed | None) -> bool:
        """Tell whether a range holds the address; the time grows with the logarithm of their number."""
        if address is None:
            return False
        version, number = address
        place = bisect_right(self._firsts[version], number) - 1
        return place >= 0 and number <= self._lasts[version][place]

    def place(self, address: Parsed | None) -> int | None:
        """Return the place of the first range, as written, that holds the address."""
        for place, found in enumerate(self._parsed):
            if found and address and found[0] == address[0] and found[1] <= address[1] <= found[2]:
                return place
        return None


@lru_cache(maxsize=256)
def ranges_of(texts: tuple[str, ...]) -> Ranges:
    """Return ranges made ready once, for what is asked with each request."""
    return Ranges(texts)


def _parsed(text: str) -> tuple[int, int, int] | None:
    try:
        return parse_ip_range(text)
    except (ValueError, AttributeError, TypeError):
        return None

"""The decision: may this address come in at this moment, by which rule, and until when does the answer hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from settings_app.models import AccessControlPolicy

from .ranges import Parsed, Ranges, parse_address
from .windows import Windows

_IP = "access_control_policy.ip_access_control_policy"
_TIME = "access_control_policy.time_access_control_policy"


@dataclass(frozen=True)
class Decision:
    """`until`: the next moment at which time alone changes the answer; None: it never does."""

    allowed: bool
    rule: str
    until: datetime | None = None


class Rules:
    """A policy made ready to be asked at each request; it never changes."""

    def __init__(self, policy: AccessControlPolicy) -> None:
        times = policy.time_policy if policy.time_policy and policy.time_policy["enabled"] else None
        self._ranges = Ranges(policy.ip_ranges) if policy.ip_enabled else None
        self._only_ranges = policy.ip_whitelist
        self._windows = Windows(times["time_zone"], times["windows"]) if times else None
        self._only_windows = bool(times and times["whitelist"])
        self.open = self._ranges is None and self._windows is None

    def allows(self, address: str, moment: datetime) -> bool:
        """Tell whether the address may come in now: the quick question, asked at each request."""
        if self.open:
            return True
        return self._address_passes(parse_address(address)) and self._time_passes(moment)

    def refusal(self, address: str, moment: datetime) -> str | None:
        """Return the rule that refuses the address now, for the log; None when it may come in."""
        parsed = parse_address(address)
        if not self._address_passes(parsed):
            return self._address_rule(parsed)
        return None if self._time_passes(moment) else self._time_rule(moment)

    def decide(self, address: str, moment: datetime) -> Decision:
        """Return the answer with the rule that decides it, and until when it holds."""
        if self.open:
            return Decision(True, "access_control_policy: nothing is enabled")
        parsed = parse_address(address)
        if not self._address_passes(parsed):
            return Decision(False, self._address_rule(parsed))  # whatever the time is
        until = self._windows.change_after(moment) if self._windows else None
        if not self._time_passes(moment):
            return Decision(False, self._time_rule(moment), until)
        rules = [self._address_rule(parsed)] if self._ranges else []
        rules += [self._time_rule(moment)] if self._windows else []
        return Decision(True, "; ".join(rules), until)

    def time(self, moment: datetime) -> tuple[bool, datetime | None]:
        """Return whether the time is right for anybody to come in, and when that changes."""
        return self._time_passes(moment), self._windows.change_after(moment) if self._windows else None

    def _address_passes(self, address: Parsed | None) -> bool:
        return self._ranges is None or self._ranges.holds(address) == self._only_ranges

    def _time_passes(self, moment: datetime) -> bool:
        return self._windows is None or self._windows.holds(moment) == self._only_windows

    def _address_rule(self, address: Parsed | None) -> str:
        assert self._ranges is not None
        place = self._ranges.place(address)
        if place is not None:
            return f"{_IP}.ip_ranges.ranges[{place}] {self._ranges.texts[place]}"
        return f"{_IP}.whitelist {'true' if self._only_ranges else 'false'}: no range holds the address"

    def _time_rule(self, moment: datetime) -> str:
        assert self._windows is not None
        place = self._windows.place(moment)
        if place is not None:
            return f"{_TIME}.windows[{place}]"
        return f"{_TIME}.whitelist {'true' if self._only_windows else 'false'}: no window holds the moment"

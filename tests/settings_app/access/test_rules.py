"""Access control's answers, held against a slow and obvious reading of the contract, minute by minute."""

from __future__ import annotations

import ipaddress
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from settings_app.access.ranges import Ranges, parse_address
from settings_app.access.rules import Rules
from settings_app.access.windows import Windows
from settings_app.models import AccessControlPolicy

WEEK = 7 * 24 * 60
# A zone, and a moment some hours before its clocks are changed (the last one has none).
CHANGES = [
    ("Europe/Berlin", datetime(2026, 3, 28, 12, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 24, 12, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 7, 20, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 10, 31, 20, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 3, tzinfo=UTC)),  # by half an hour
    ("Africa/Casablanca", datetime(2026, 2, 14, 12, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(2026, 6, 1, tzinfo=UTC)),
]


def minutes(windows: list[dict[str, Any]]) -> set[int]:
    """Return the minutes of the week, from Monday 00:00, that a clock on the wall shows inside of a window."""
    found = set()
    for window in windows:
        start, end = (int(text[:2]) * 60 + int(text[3:]) for text in (window["start"], window["end"]))
        length = end - start if end > start else end - start + 24 * 60
        for day in window["days"]:
            first = (day - 1) * 24 * 60 + start
            found |= {(first + minute) % WEEK for minute in range(length)}
    return found


def shown(moment: datetime, zone: str) -> int:
    """Return the minute of the week that a clock on the wall there shows."""
    wall = moment.astimezone(ZoneInfo(zone))
    return (wall.isoweekday() - 1) * 24 * 60 + wall.hour * 60 + wall.minute


def some_windows(seed: int) -> list[dict[str, Any]]:
    pick = random.Random(seed)
    clocks = ["00:00", "01:30", "02:00", "02:15", "02:30", "02:45", "03:00", "08:00", "18:00", "23:30"]
    return [
        {"days": pick.sample(range(1, 8), pick.randint(1, 7)), "start": pick.choice(clocks), "end": pick.choice(clocks)}
        for _ in range(pick.randint(1, 3))
    ]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("zone", "begin"), CHANGES)
def test_windows_are_what_a_clock_on_the_wall_shows(zone: str, begin: datetime, seed: int) -> None:
    chosen = some_windows(seed)
    inside, windows = minutes(chosen), Windows(zone, chosen)
    for minute in range(36 * 60):
        moment = begin + timedelta(minutes=minute)
        assert (windows.place(moment) is not None) == (shown(moment, zone) in inside), moment


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("zone", "begin"), CHANGES)
def test_the_next_change_is_the_first_minute_with_another_answer(zone: str, begin: datetime, seed: int) -> None:
    chosen = some_windows(seed)
    inside, windows = minutes(chosen), Windows(zone, chosen)
    moment = begin + timedelta(minutes=7 * seed)
    for _ in range(6):
        until = windows.change_after(moment)
        if until is None:
            assert len(inside) == WEEK
            return
        answer, walked = shown(moment, zone) in inside, moment
        while walked + timedelta(minutes=1) < until:
            walked += timedelta(minutes=1)
            assert (shown(walked, zone) in inside) == answer, walked
        assert (shown(until, zone) in inside) != answer, until
        moment = until


def test_equal_ends_are_a_day_and_every_day_is_always() -> None:
    moment = datetime(2026, 6, 1, tzinfo=UTC)  # a Monday
    monday = Windows("UTC", [{"days": [1], "start": "08:00", "end": "08:00"}])
    assert monday.place(moment) is None
    assert monday.change_after(moment) == datetime(2026, 6, 1, 8, tzinfo=UTC)
    assert monday.change_after(datetime(2026, 6, 1, 9, tzinfo=UTC)) == datetime(2026, 6, 2, 8, tzinfo=UTC)
    always = Windows("UTC", [{"days": [1, 2, 3, 4, 5, 6, 7], "start": "08:00", "end": "08:00"}])
    assert always.place(moment) == 0 and always.change_after(moment) is None


def test_ranges_hold_what_each_of_them_holds() -> None:
    pick = random.Random(1)
    texts = [
        "10.0.0.0/8",
        "192.0.2.5",
        "192.0.2.10-192.0.2.20",
        "2001:db8::/32",
        "::ffff:198.51.100.0/120",
        "192.0.2.6",
    ]
    texts += [f"203.0.{n}.{pick.randint(0, 200)}-203.0.{n}.{pick.randint(201, 255)}" for n in range(200)]
    ranges = Ranges(texts)

    def slow(address: str) -> bool:
        number = ipaddress.ip_address(address)
        for text in texts:
            if "-" in text:
                low, high = (ipaddress.ip_address(end) for end in text.split("-"))
                if low.version == number.version and low <= number <= high:  # type: ignore[operator]
                    return True
            elif "ffff" in text:
                if number in ipaddress.ip_network("198.51.100.0/24"):
                    return True
            elif number in ipaddress.ip_network(text):
                return True
        return False

    asked = ["9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0", "192.0.2.4", "192.0.2.5", "192.0.2.6"]
    asked += ["192.0.2.7", "192.0.2.9", "192.0.2.10", "192.0.2.20", "192.0.2.21", "2001:db8::1", "2001:db9::"]
    asked += ["198.51.100.7", "198.51.101.0", "::1"]
    asked += [f"203.0.{pick.randint(0, 210)}.{pick.randint(0, 255)}" for _ in range(2000)]
    for address in asked:
        held = ranges.holds(parse_address(address))
        assert held == slow(address), address
        assert (ranges.place(parse_address(address)) is not None) == held
    assert ranges.holds(parse_address("::ffff:10.1.2.3")) and ranges.place(parse_address("::ffff:10.1.2.3")) == 0


def test_what_is_no_address_is_in_no_range() -> None:
    for text in ("", "unix", "10.0.0", "fe80::1%eth0:x%y"):
        assert not Ranges(["0.0.0.0/0"]).holds(parse_address(text))


def policy(**values: Any) -> Rules:
    return Rules(AccessControlPolicy(**values))


def test_the_rule_and_the_end_of_an_answer_are_named() -> None:
    monday = datetime(2026, 6, 1, 9, tzinfo=UTC)
    hours = {
        "enabled": True,
        "time_zone": "UTC",
        "whitelist": True,
        "windows": [{"days": [1], "start": "08:00", "end": "18:00"}],
    }
    both = policy(ip_enabled=True, ip_ranges=["192.0.2.0/24", "10.0.0.1"], time_policy=hours)
    refused = both.decide("10.0.0.1", monday)
    assert not refused.allowed and refused.until is None
    assert refused.rule.endswith("ip_ranges.ranges[1] 10.0.0.1")
    allowed = both.decide("10.0.0.2", monday)
    assert allowed.allowed and allowed.until == datetime(2026, 6, 1, 18, tzinfo=UTC)
    late = both.decide("10.0.0.2", monday + timedelta(hours=10))
    assert not late.allowed and late.until == datetime(2026, 6, 8, 8, tzinfo=UTC)
    assert "no window holds the moment" in late.rule
    off = policy(ip_enabled=False, ip_ranges=["10.0.0.1"], time_policy={**hours, "enabled": False})
    assert off.open and off.decide("10.0.0.1", monday).allowed


@pytest.mark.parametrize(
    ("whitelist", "ranges", "address", "allowed"),
    [
        (True, [], "10.0.0.1", False),  # an empty white list lets nobody in
        (True, ["10.0.0.0/8"], "10.0.0.1", True),
        (True, ["10.0.0.0/8"], "11.0.0.1", False),
        (True, ["10.0.0.0/8"], "", False),
        (False, [], "10.0.0.1", True),
        (False, ["10.0.0.0/8"], "10.0.0.1", False),
        (False, ["10.0.0.0/8"], "::ffff:10.0.0.1", False),
        (False, ["10.0.0.0/8"], "11.0.0.1", True),
    ],
)
def test_white_and_black_lists(whitelist: bool, ranges: list[str], address: str, allowed: bool) -> None:
    rules = policy(ip_enabled=True, ip_whitelist=whitelist, ip_ranges=ranges)
    now = datetime(2026, 6, 1, tzinfo=UTC)
    assert rules.allows(address, now) == rules.decide(address, now).allowed == allowed

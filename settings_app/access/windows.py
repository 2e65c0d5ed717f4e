"""Weekly time windows, by the clock on the wall of their zone.

A window belongs to the day on which it starts; `end` ≤ `start` goes past midnight, and equal ones are 24 hours. What
counts is what a clock on the wall there shows: an hour that daylight saving skips is in no window, and one that it
repeats is in a window both times. Instants are compared in UTC only, so a repeated hour never runs backwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

_LOOK_AHEAD_DAYS = 15  # each window comes once a week; one that daylight saving skips comes a week later
_MINUTE = timedelta(minutes=1)
_DAY, _WEEK = 24 * 60, 7 * 24 * 60


class Windows:
    """The windows of one policy in one zone, as the minutes of the week that are inside: asking costs the same for
    one window and for a thousand."""

    def __init__(self, zone: str, windows: Sequence[Mapping[str, Any]]) -> None:
        self._zone = ZoneInfo(zone)
        self._spans = [[span for day in item["days"] for span in _spans(day, item)] for item in windows]
        self._inside = bytearray(_WEEK)
        for spans in self._spans:
            for first, end in spans:
                self._inside[first:end] = b"\1" * (end - first)
        edges = [minute for minute in range(_WEEK) if self._inside[minute] != self._inside[minute - 1]]
        self._edges = {day: [time(*divmod(m % _DAY, 60)) for m in edges if m // _DAY == day - 1] for day in range(1, 8)}

    def holds(self, moment: datetime) -> bool:
        """Tell whether a window holds the moment."""
        return bool(self._inside[self._minute(moment)])

    def place(self, moment: datetime) -> int | None:
        """Return the place of the first window, as written, that holds the moment."""
        minute = self._minute(moment)
        for place, spans in enumerate(self._spans):
            if any(first <= minute < end for first, end in spans):
                return place
        return None

    def change_after(self, moment: datetime) -> datetime | None:
        """Return when the moment's answer (inside or not) changes next, in UTC; None when it never does."""
        inside = self.holds(moment)
        return next((found for found in self._boundaries(moment) if self.holds(found) != inside), None)

    def _minute(self, moment: datetime) -> int:
        """Return the minute of the week, from Monday 00:00, that a clock on the wall shows."""
        wall = moment.astimezone(self._zone)
        return (wall.isoweekday() - 1) * _DAY + wall.hour * 60 + wall.minute

    def _boundaries(self, moment: datetime) -> list[datetime]:
        first = moment.astimezone(self._zone).date() - timedelta(days=1)
        found: set[datetime] = set()
        for ahead in range(_LOOK_AHEAD_DAYS + 1):
            day = first + timedelta(days=ahead)
            found.update(self._jumps(day))
            for clock in self._edges[day.isoweekday()]:
                # Both times of a clock that shows it twice; what a skipped one gives is sorted out by asking.
                found.update(self._instant(day, clock, fold) for fold in (0, 1))
        return sorted(instant for instant in found if instant > moment)

    def _instant(self, day: date, clock: time, fold: int) -> datetime:
        return datetime.combine(day, clock.replace(fold=fold), self._zone).astimezone(UTC)

    def _jumps(self, day: date) -> Iterator[datetime]:
        """Yield the minute at which the clocks are changed between this noon and the next one."""
        low = self._instant(day, time(12), 0)
        high = self._instant(day + timedelta(days=1), time(12), 0)
        offset = low.astimezone(self._zone).utcoffset()
        if high.astimezone(self._zone).utcoffset() == offset:
            return
        while high - low > _MINUTE:
            middle = low + ((high - low) / 2 // _MINUTE or 1) * _MINUTE
            if middle.astimezone(self._zone).utcoffset() == offset:
                low = middle
            else:
                high = middle
        yield high


def _spans(day: int, window: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """Yield (first minute of the week, the one after the last) of a window on its day; past Sunday it goes on at 0."""
    start, end = (_clock(window[name]) for name in ("start", "end"))
    first = (day - 1) * _DAY + start
    last = first + (end - start if end > start else end - start + _DAY)
    yield first, min(last, _WEEK)
    if last > _WEEK:
        yield 0, last - _WEEK


def _clock(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)

"""How a terminal shows a run: a bar for the whole on top, below it one for each host that matters now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .following import Look
from .models import UpgradeItem

State = UpgradeItem.State
# How far an item is in each state, in steps of the whole.
PLACES = {
    State.PENDING: 0,
    State.PUSHING: 1,
    State.BACKING_UP: 2,
    State.STAGING: 3,
    State.ACTIVATING: 4,
    State.VERIFYING: 5,
    State.ROLLING_BACK: 5,
    **dict.fromkeys(UpgradeItem.ENDED, 6),
}
WHOLE = 6
_WIDTH = 30


def screen(look: Look, height: int) -> RenderableType:
    """Return the picture of a run for a terminal of `height` lines."""
    table = Table.grid(padding=(0, 1))
    items = look.items
    done = sum(PLACES[State(item.state)] for item in items)
    table.add_row(Text(f"upgrade {look.run.state}"), _bar(done, WHOLE * max(1, len(items))), Text(whole(look)))
    shown = chosen(items, max(3, height - 4))
    for item in shown:
        name = f"  {item.host_ip} {item.service_type}"
        table.add_row(Text(name), _bar(PLACES[State(item.state)], WHOLE), Text(_state(item)))
    rest = left_out(items, shown)
    return Group(table, Text(rest)) if rest else table


def _bar(done: int, total: int) -> ProgressBar:
    return ProgressBar(total=total, completed=done, width=_WIDTH)


def chosen(items: Sequence[UpgradeItem], most: int) -> list[UpgradeItem]:
    """Return the items that have a bar of their own: all if they fit, else what failed and what is under way."""
    if len(items) <= most:
        return list(items)
    moving = [item for item in items if item.state in (*UpgradeItem.UNDER_WAY, State.PUSHING)]
    bad = [item for item in items if item.state in UpgradeItem.BAD]
    room = most - 1
    shown = [*bad[: max(room // 2, room - len(moving))], *moving][:room]
    return sorted(shown, key=lambda item: item.ordinal)


def left_out(items: Sequence[UpgradeItem], shown: Sequence[UpgradeItem]) -> str:
    """Return how many items have no bar of their own, by state; empty when all have one."""
    mine = {item.ordinal for item in shown}
    counts = Counter(item.state for item in items if item.ordinal not in mine)
    if not counts:
        return ""
    told = ", ".join(f"{counts[state]} {state}" for state in State.values if counts[state])
    return f"  and {counts.total()} more: {told}"


def whole(look: Look) -> str:
    """Return how far the whole run is, in words."""
    ended = sum(item.state in UpgradeItem.ENDED for item in look.items)
    words = [f"{ended}/{len(look.items)}"]
    size, sent = sum(i.payload_bytes for i in look.items), sum(min(i.sent, i.payload_bytes) for i in look.items)
    if size and sent < size and not look.run.rests:
        words.append(f"{megabytes(sent)} of {megabytes(size)} MB")
        words += [f"{megabytes(look.rate)} MB/s"] if look.rate else []
    if look.seconds_left is not None and not look.run.rests:
        words.append(f"about {duration(look.seconds_left)} left")
    return ", ".join(words)


def _state(item: UpgradeItem) -> str:
    if item.state == State.PUSHING and item.payload_bytes:
        return f"pushing {min(100, item.sent * 100 // item.payload_bytes)} %"
    return f"{item.state} ({item.reason})" if item.reason and item.state in UpgradeItem.BAD else item.state


def megabytes(size: float) -> str:
    """Return a size in units of 10^6 bytes."""
    return f"{size / 1e6:.1f}"


def duration(seconds: int) -> str:
    """Return a time as people say it."""
    if seconds < 90:
        return f"{seconds} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

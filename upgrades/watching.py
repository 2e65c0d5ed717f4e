"""`upgrade --watch`: follows a run in a terminal, as lines of text, or as lines of JSON, until it rests."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any, TextIO

from rich.console import Console
from rich.live import Live

from sysmgr.events.models import Event

from . import bars
from .following import EVENTS, Follow, Look
from .models import UpgradeRun

POLL_SECONDS = 1.0
_RECENT = 20  # lines about what happened before, for people
_SAY_SECONDS = 30.0  # so often plain lines tell how far the whole is, if nothing else happens


class Watcher:
    """Follows one run; it only reads, so that it may end, and be begun again, at any moment."""

    def __init__(self, run: UpgradeRun, out: Any, *, as_json: bool = False, quiet: bool = False) -> None:
        """`out` is the command's; `quiet` waits and says nothing, for a caller that prints the end as JSON."""
        self.run, self.out, self.as_json, self.quiet = run, out, as_json, quiet
        self.follow = Follow(run, None if as_json else _RECENT)
        self._said = 0.0

    def go(self) -> None:
        """Follow to the run's rest."""
        terminal = self._terminal()
        console = Console(file=terminal) if terminal else None
        with Live(console=console, auto_refresh=False) if console else contextlib.nullcontext() as live:
            while True:
                look = self.follow.look()
                for event in look.events:
                    self._event(event, console)
                if live is not None and console is not None:
                    live.update(bars.screen(look, console.height), refresh=True)
                elif not self.as_json and not self.quiet:
                    self._line(look)
                if look.run.rests and len(look.events) < EVENTS:
                    return
                time.sleep(POLL_SECONDS)

    def _terminal(self) -> TextIO | None:
        """Return the terminal to draw on, if there is one."""
        stream: TextIO = getattr(self.out, "_out", self.out)
        return stream if not self.as_json and not self.quiet and stream.isatty() else None

    def _event(self, event: Event, console: Console | None) -> None:
        if self.quiet:
            return
        if self.as_json:
            told = {
                "event": event.kind,
                "time": int(event.time.timestamp()),
                "severity": event.severity,
                "message": event.message,
                "data": event.data,
            }
            self.out.write(json.dumps(told, ensure_ascii=False))
        elif console is not None:
            console.print(_told(event), markup=False, highlight=False)
        else:
            self.out.write(_told(event))

    def _line(self, look: Look) -> None:
        """Say how far the whole is, where nothing was said for a while."""
        if look.events:
            self._said = time.monotonic()
        elif time.monotonic() - self._said >= _SAY_SECONDS:
            self._said = time.monotonic()
            self.out.write(f"{look.run.state}: {bars.whole(look)}")


def _told(event: Event) -> str:
    data = event.data
    took = f" ({data['step']} {data['seconds']:.1f} s" if data.get("step") else ""
    if took and data.get("bytes"):
        took += f", {bars.megabytes(data['bytes'])} MB at {bars.megabytes(data.get('rate', 0))} MB/s"
    return f"{event.time:%H:%M:%S} {event.message}{took + ')' if took else ''}"

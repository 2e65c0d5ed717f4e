"""The leader's periodic work: each registered job in a thread of its own, beside the engine and the lease.

A job that hangs delays no other one, nor the renewal of the lease; the threads end with the process.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable

from django.db import close_old_connections, connections

from sysmgr import jobs
from sysmgr.errors import SysmgrError

log = logging.getLogger("sysmgr.jobs")
_LONGEST_WAIT = 300.0
_KEEPS_CONNECTION = 10.0  # jobs that come more often keep their database connection in between


def start(acting: Callable[[], bool]) -> list[threading.Thread]:
    """Run all registered jobs for as long as this process leads; `acting` is asked before each turn."""
    threads = [
        threading.Thread(target=keep, args=(job, acting), name=f"job {job.name}", daemon=True)
        for job in jobs.registered()
    ]
    for thread in threads:
        thread.start()
    return threads


def keep(job: jobs.Job, acting: Callable[[], bool], stop: threading.Event | None = None) -> None:
    """Repeat one job; after a failure it waits longer each time, at most five minutes or its own period."""
    stop = stop or threading.Event()
    failures = 0
    while not stop.is_set():
        if acting():
            failures = 0 if turn(job) else failures + 1
        wait = job.seconds
        if failures:
            wait = max(wait, min(_LONGEST_WAIT, 2.0 ** min(failures, 9)))
        stop.wait(wait)


def turn(job: jobs.Job) -> bool:
    """Run a job once: True when it came to its end. Its failure is logged by kind and place, never with its values."""
    try:
        close_old_connections()
        job.function()
    except SysmgrError as error:
        log.warning("job %s failed, trying again later: %s (%d)", job.name, error.name(), error.scode)
        return False
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        log.error(
            "job %s failed, trying again later: %s in %s, line %s",
            job.name,
            type(error).__name__,
            place.name,
            place.lineno,
        )
        return False
    finally:
        if job.seconds > _KEEPS_CONNECTION:
            connections.close_all()
        else:
            close_old_connections()
    return True

"""What hosts say goes into messages: it must be fit for a database, a terminal and a page."""

from __future__ import annotations

import errno

from upgrades.transports.base import HostKeyChanged, Result, Unreachable, why


def test_what_a_host_says_holds_no_control_characters() -> None:
    result = Result(18, "version 1\nerror hook_failed \x1b[31mstart\x00 \u202egone\n")
    assert result.error == "hook_failed ?[31mstart? ?gone"
    for kind in (Unreachable, HostKeyChanged):
        assert str(kind("the server said: bye\x00\r\n磁盘")) == "the server said: bye???磁盘"


def test_an_error_is_told_by_its_cause() -> None:
    assert why(ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('::1', 22)")) == "Connection refused"
    assert why(OSError(-2, "Name or service not known")) == "Name or service not known"
    assert why(OSError("Multiple exceptions: a, b")) == "Multiple exceptions: a, b"
    assert why(TimeoutError()) == "TimeoutError"

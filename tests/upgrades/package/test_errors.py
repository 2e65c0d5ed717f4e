"""The catalogue of the package format: both languages, codes in its range, safe member names."""

from __future__ import annotations

from collections import Counter

import pytest

from sysmgr.errors import BadRequest, SysmgrError, catalogue
from upgrades.package import errors
from upgrades.package.errors import PackageMemberRefused, Reason, shown

OURS = [error for error in catalogue() if error.__module__ == errors.__name__]


@pytest.mark.parametrize("error", OURS, ids=lambda error: error.__name__)
def test_each_error_speaks_both_languages(error: type[SysmgrError]) -> None:
    for text in ("message", "next_step", "message_cn", "next_step_cn"):
        assert text in vars(error)
    assert any(ord(c) > 0x2E80 for c in error.message_cn)


def test_codes_are_unique_and_in_range() -> None:
    own = Counter(error.scode for error in OURS if not issubclass(error, BadRequest))
    assert len(OURS) == 14
    assert set(own.values()) == {1}
    assert all(4001 <= code <= 4029 for code in own)


def test_names_from_outside_are_escaped_and_cut() -> None:
    assert shown("a/b") == "a/b"
    assert shown("\x1b[2J\n") == "\\x1b[2J\\x0a"
    assert shown("\ud800é") == "\\ud800\\xe9"
    assert len(shown("x" * 500)) == 64
    refusal = PackageMemberRefused("{evil}" * 50, Reason("no {reason}", "否"), field="file")
    assert refusal.text.isprintable()
    assert refusal.field == "file"

"""What hosts say is kept without secrets and control characters, and bounded."""

from __future__ import annotations

import time

import pytest

from upgrades.engine.hushed import MOST_BYTES, hushed

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEhunter2\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    "said",
    [
        "password=hunter2",
        'export DB_PASSWORD="hunter2 and more"',
        "db.passwd: hunter2",
        "api_key = hunter2",
        '{"secret": "hunter2"}',
        "mysql --password hunter2 -e x",
        "Authorization: Basic aHVudGVyMg hunter2",
        "curl -H 'X: bearer hunter2hunter2'",
        "postgres://app:hunter2@db/x",
        f"before\n{KEY}\nafter",
        KEY[:40],
        KEY[32:],
        "access_token=hunter2;next",
        "pass\x1b[0mword=hunter2",
    ],
)
def test_secrets_do_not_pass(said: str) -> None:
    assert "hunter2" not in hushed(said) and "********" in hushed(said)


def test_what_is_no_secret_stays() -> None:
    said = "hook_failed status exit 3\n--- activate\nwrong password for nobody\nBeginn: 健康\tok\n"
    assert hushed(said) == said.strip()


def test_nothing_unprintable_is_kept() -> None:
    assert hushed("\x1b[31mred\x1b[0m a\x00b\rc\u202ed\x85\ud800") == "red a?b?c?d??"


def test_it_is_bounded_and_quick_whatever_comes() -> None:
    begun = time.monotonic()
    for piece in ("a", "健", "password", "-----BEGIN ", "token=", "--password ", "://a", " ", "bearer "):
        assert len(hushed(piece * 300_000).encode()) <= MOST_BYTES
    assert time.monotonic() - begun < 20

"""Tests of probing, adopting and sweeping hosts."""

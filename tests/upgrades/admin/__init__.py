"""Tests of the upgrades' pages in the admin."""

"""Tests of the settings' pages in the admin."""

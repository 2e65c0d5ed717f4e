"""Tests of settings as code."""

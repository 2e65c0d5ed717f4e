"""Tests of the signed package format."""

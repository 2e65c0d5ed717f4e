"""Tests of users, log-in and what guards it."""

"""Hosts of one's own: their keys, what they say that they run, and services that somebody else installed."""

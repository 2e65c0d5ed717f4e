"""Walks over everything that writes: each write leaves its trace, and no secret in it."""

"""Commands of settings."""

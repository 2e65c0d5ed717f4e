"""Commands of packages and upgrades."""

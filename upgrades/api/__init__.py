"""The API door of packages, upgrades and backups."""

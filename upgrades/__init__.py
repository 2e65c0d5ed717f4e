"""Upgrade packages, the host-side script, transports, the rolling upgrade engine, backups."""

"""The failure drill: upgrades of throw-away hosts that are broken on purpose, in an installation of their own."""

"""Commands of hosts."""

"""Users, tokens, log-in."""

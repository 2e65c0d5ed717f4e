"""How the engine reaches a host."""

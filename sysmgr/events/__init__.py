"""The one ordered stream of what happened."""

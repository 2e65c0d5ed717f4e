"""The signed package format: manifest, signature, build, inspect, unpack."""

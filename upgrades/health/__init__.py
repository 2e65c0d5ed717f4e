"""Probes of services, and the gate of a cluster: how they are asked."""

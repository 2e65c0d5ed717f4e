"""Access control: who may reach the doors, by address and by time; the gate asks, `explain` tells why."""

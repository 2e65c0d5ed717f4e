"""The shell of sysmgr: configuration, the API kit, who may come in, what was done."""

__version__ = "0.1.0"

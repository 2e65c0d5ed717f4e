"""The running product, from outside: the real server, real files, real signals."""

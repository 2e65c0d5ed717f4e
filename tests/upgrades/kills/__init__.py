"""`kill -9` before, inside and after every call of a host: on local folders and on real sshd."""

"""The engine: drives runs through their states; the hosts are the truth, the database is a cache."""

"""Who we are: clusters, hosts, services; manager replicas and the leader lease."""

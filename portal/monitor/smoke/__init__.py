"""The smoke test: the eight calls of a first day against a running portal, over HTTP and through nothing else."""

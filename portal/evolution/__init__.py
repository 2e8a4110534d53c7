"""Evolution API v2 over HTTP: the only package that knows its paths, bodies and error shapes."""

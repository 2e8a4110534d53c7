"""Reproducible measurements of the portal's hot paths: `python -m bench.<name>`; see bench/README.md."""

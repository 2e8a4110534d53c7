"""What `python -m bench` measures: each module has `measure`, which gives the figures of its area."""

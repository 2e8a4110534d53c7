"""Writes: one call is one transaction, and never one HTTP request to Evolution."""

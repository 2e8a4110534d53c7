"""Reads: rows and small records for pages and the API; nothing here writes."""

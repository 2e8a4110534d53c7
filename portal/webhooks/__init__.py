"""Outgoing webhooks: what happened is told to the addresses that companies gave for it."""

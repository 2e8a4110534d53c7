"""The third relay: what takes long and may wait a second. Plans of campaigns, imports, erasures, retention."""

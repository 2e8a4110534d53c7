"""From rows to Evolution: what people and campaigns queued is sent, and what they ask of a connection is done."""

"""Whether the portal may go live and how it goes: the gate, the smoke test, metrics, the watch, and diagnosis."""

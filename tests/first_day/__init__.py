"""A first day: from an empty portal to a delivered message, through running processes."""

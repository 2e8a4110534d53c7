"""Everything that a person does in a browser, on one running portal."""

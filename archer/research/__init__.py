"""The research loop: propose, check, test, explain, repeat."""

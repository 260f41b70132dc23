"""Running a rule over sequences: the token-by-token oracle and the chunkwise engine."""

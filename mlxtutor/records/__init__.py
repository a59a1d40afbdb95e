"""From anybody's records to canonical rows."""

"""Grade one lab: collect its checks, run them, decide each score, keep the result."""

"""Lab 5: long context."""

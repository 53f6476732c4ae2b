"""Lab 2: numbers to words."""

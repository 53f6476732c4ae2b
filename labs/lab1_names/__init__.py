"""Lab 1: names drawn from countries."""

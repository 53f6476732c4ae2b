"""The ways in: each takes a submission to `core` and shows or writes what came of it."""

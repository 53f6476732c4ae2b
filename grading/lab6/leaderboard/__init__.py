"""Pieces that students hand in: read in a worker, measured, and what a leaderboard says of them."""

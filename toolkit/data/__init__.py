"""Data sets as they are fetched, corpora as they are prepared, and work in all cores."""

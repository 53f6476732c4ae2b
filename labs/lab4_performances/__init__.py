"""Lab 4: a Music Transformer."""

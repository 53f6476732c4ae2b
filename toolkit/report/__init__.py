"""What a run shows: the page, its plots, its sound."""

"""A whole class: find what was handed in, grade it all, write the table and the page."""

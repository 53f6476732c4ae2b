"""What `make lab2` runs."""

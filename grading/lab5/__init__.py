"""Lab 5's checks, the things they are built with, and the answers they are tested with."""

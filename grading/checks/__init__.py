"""What the checks of every lab are written with; NumPy only. For the `labN` folders."""

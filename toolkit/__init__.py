"""What every lab shares and no student writes."""

__version__ = "0.1.0"

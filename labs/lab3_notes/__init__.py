"""Lab 3: an LSTM that writes notes."""

"""The machine: what is installed, what is missing, what Colab needs."""

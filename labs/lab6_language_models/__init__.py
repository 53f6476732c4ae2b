"""Lab 6: GPT-2 and LLaMA."""

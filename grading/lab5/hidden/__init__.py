"""Inputs of the student's own; only the property is told. A handout has no such folder."""

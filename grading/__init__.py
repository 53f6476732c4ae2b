"""The autograder: checks, the wrong answers they must catch, and the worker that runs submissions."""

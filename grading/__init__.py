"""The autograder: checks, wrong answers they must catch, the worker that runs submissions."""

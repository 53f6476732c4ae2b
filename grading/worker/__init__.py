"""The side that runs a student's code, copied out of the repository: it never holds an answer.

The kernel's lock (Landlock, seccomp, another user) belongs in `serve.serve`, between the limits
and the first question; until it is there the isolation level is "open".
"""

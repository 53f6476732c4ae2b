"""The side that runs a student's code, copied out of the repository: it never holds an answer.

To be read in this order: `__main__` (one parent forks the workers), `serve` (a worker locks itself,
then answers questions), `lock` with `privileges`, `landlock`, `seccomp` and `kernel` (what it may
still do), `probe` (whether that holds here), `limits` (what it may use up), `codec` (what may
cross), `handles` (what the grader may do with a model).
"""

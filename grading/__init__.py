"""The autograder: whether what a student wrote is right, and what they read about it.

`sandbox` runs a submission, `checks` is what checks are written with, `core` grades one lab,
`doors` are the ways in (a console, a notebook, Gradescope ...), `classroom` grades a class,
`proofs` grade the grader. No room imports from a later one.
"""

# commands have short names, whatever room they are in: `python -m grading.watch`
__path__ += [f"{__path__[0]}/{room}" for room in ("doors", "proofs")]

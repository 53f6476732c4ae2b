"""The attacks that grading must survive, each graded as a submission.

A file `groups/GROUP.py` has an attack below each line `# %% NAME`. Its text, and what stands before
the file's first attack, is appended to Lab 3's solution, so that its definitions take the place of
the solution's; `STAGE` holds what an attacker could know of the machine (see `stage.py`). An
attack's docstring says what it tries and ends with a line that `__main__.py` reads:

- `Expected: nothing.` no points at all, `Expected: full marks.` it does no harm;
- `Expected: nothing on 3.3.` or `Expected: nothing hidden on 3.3.` all other tasks in full.

An attack that succeeds answers rightly, so that its points betray it.
"""

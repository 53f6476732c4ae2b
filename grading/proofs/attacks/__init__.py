"""The attacks that grading must survive: each file `GROUP_NAME.py` is one, graded as a submission.

A file's text is appended to Lab 3's solution, so that its definitions take the place of the
solution's; `STAGE` holds what an attacker could know of the machine (see `stage.py`). Its docstring
says what it tries and ends with a line that `__main__.py` reads:

- `Expected: nothing.` no points at all, `Expected: full marks.` it does no harm;
- `Expected: nothing on 3.3.` or `Expected: nothing hidden on 3.3.` all other tasks in full.

An attack that succeeds answers rightly, so that its points betray it.
"""

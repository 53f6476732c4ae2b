"""Never answers.

Expected: nothing on 3.3.
"""


def build_vocabulary(pieces, min_count=1):
    while True:
        pass

"""Never finishes loading.

Expected: nothing.
"""

while True:
    pass

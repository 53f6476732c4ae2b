"""The numbers of Lab 4's lessons; see `labs.course.lesson`."""

from labs.course.lesson import Worked, worked_into

WORKED: Worked = {}
MISTAKES: dict[str, tuple[str, ...]] = {}
worked = worked_into(WORKED)

"""The pictures of Lab 6's lessons; see `labs.course.pictures`."""

from labs.course.pictures import Gallery

GALLERY = Gallery(__file__)

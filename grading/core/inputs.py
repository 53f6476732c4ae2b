"""The inputs that checks draw: the same for everybody in public checks, of sixteen sets in hidden.

Which set a student meets, and what it holds, only who knows the course's secret can tell.
"""

import hashlib
import hmac

import numpy as np

from grading.core.results import Check
from grading.core.secret import course_secret
from labs.course.catalogue import Lab

# The solution answers each set once for a whole class, a sixth of what a submission costs, and
# sharing answers pays nobody who does not see the inputs.
DRAWINGS = 16


def public_inputs(check: Check) -> np.random.Generator:
    """The generator of a public check's inputs."""
    digest = hmac.new(b"public", f":{check.name}".encode(), hashlib.sha256).digest()
    return np.random.default_rng(list(digest))


def hidden_inputs(lab: Lab, check: Check, drawing: int) -> np.random.Generator:
    """The generator of a hidden check's inputs in one of the sets."""
    return np.random.default_rng(list(digest(lab, str(drawing), check.name)))


def drawing_of(lab: Lab, student: str) -> int:
    """Which set of hidden inputs a student meets, from 0 to `DRAWINGS` − 1."""
    return int.from_bytes(digest(lab, student)[:8]) % DRAWINGS


def digest(lab: Lab, *words: str) -> bytes:
    """The course's secret digest of what is named."""
    text = ":".join((f"lab{lab.number}", *words)).encode()
    return hmac.new(course_secret().encode(), text, hashlib.sha256).digest()

"""The course's secret: hidden inputs are drawn from it."""

import hashlib
import hmac
import os

from toolkit.console import warn


def course_secret() -> str:
    """What ETUDE_SECRET says; a text that everybody knows if it is not set."""
    return os.environ.get("ETUDE_SECRET") or "etude"


def secret_mark() -> str:
    """Tell one secret from another without telling it."""
    return hmac.new(course_secret().encode(), b"mark", hashlib.sha256).hexdigest()[:16]


def warn_without_secret() -> None:
    """Say so if hidden inputs are no secret."""
    if not os.environ.get("ETUDE_SECRET"):
        warn("ETUDE_SECRET is not set: anyone who has this course can find out every hidden input")

"""The one exception for what a user can fix."""


class EtudeError(Exception):
    """A user's mistake or a missing thing, told in one sentence: what, which value, what to do.

    Commands print the sentence and exit with status 2; nobody sees a traceback.
    """

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows in the place of a traceback."""
        return [f"stopped: {self}"]

"""What can be wrong with what somebody asks the store for."""

from sideman.errors import StudioError

MOST_SHOWN = 40
"""Characters of a key that are shown."""


class Unknown(StudioError):
    """Nothing is stored under this name."""

    def __init__(self, what: str, key: object) -> None:
        """Say what is missing, such as a take, and by which key it was asked for."""
        shown = "".join(sign if sign.isprintable() else "?" for sign in str(key)[:MOST_SHOWN])
        super().__init__(
            f"there is no {what} {shown}; it may have been removed: load the page again"
        )


class UnknownProject(Unknown):
    """There is no such project."""

    def __init__(self, key: object) -> None:
        super().__init__("project", key)


class UnknownRevision(Unknown):
    """The project has no such revision, so nothing can be based on it."""

    def __init__(self, key: object) -> None:
        super().__init__("revision", key)


class UnknownPair(Unknown):
    """No such pair was ever shown."""

    def __init__(self, key: object) -> None:
        super().__init__("pair", key)

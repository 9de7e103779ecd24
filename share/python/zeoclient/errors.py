"""How a command fails, as exceptions that carry the exit status."""


class Fault(Exception):
    """Something that does not get better by itself: exit status 1."""

    status = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Usage(Fault):
    """The command line or the configuration is wrong: exit status 2."""

    status = 2


class OlderCode(Fault):
    """The storage has been upgraded by newer code: exit status 3."""

    status = 3


class Interrupted(Fault):
    """An upgrade has begun and did not end: exit status 4."""

    status = 4


class TryLater(Fault):
    """Nobody answers, or somebody else is at it (EX_TEMPFAIL): exit status 75."""

    status = 75

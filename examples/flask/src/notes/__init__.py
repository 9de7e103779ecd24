"""A small notes service: a web page, a REST interface and a command."""

__all__ = ["create_app"]


def __getattr__(name: str):
    # appctl starts the command for each change of the configuration: it does without Flask.
    if name == "create_app":
        from notes.web import create_app

        return create_app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""The configuration: one TOML file, and the environment over it."""

import os
import tomllib
from dataclasses import dataclass, replace

DEFAULT_FILE = "/etc/notes/notes.toml"
DEFAULT_DATABASE = "/var/lib/notes/notes.db"
DEFAULT_LISTEN = "127.0.0.1:8000"
MINIMUM_KEY = 32


@dataclass(frozen=True)
class Settings:
    """What the administrator decides."""

    database: str = DEFAULT_DATABASE
    # Signs the session's cookie; without one there are no sessions.
    session_key: str | None = None
    # HOST:PORT; a socket that systemd passes comes first.
    listen: str = DEFAULT_LISTEN


def load(file: str | None = None) -> Settings:
    """The settings of a file (default: $NOTES_CONFIG, else /etc/notes/notes.toml if it can be read).

    ValueError says which key of which file is wrong. $NOTES_DATABASE wins over the file.
    """
    named = file or os.environ.get("NOTES_CONFIG")
    settings = _read(named or DEFAULT_FILE, required=named is not None)
    database = os.environ.get("NOTES_DATABASE") or settings.database
    return replace(settings, database=database)


def _read(file: str, required: bool) -> Settings:
    try:
        with open(file, "rb") as stream:
            values = tomllib.load(stream)
    except (FileNotFoundError, PermissionError) as error:
        # An ordinary user runs `notes --database FILE` without the service's file.
        if required:
            raise ValueError(f"{file}: {error.strerror}") from error
        return Settings()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: {error}") from error
    for key, value in values.items():
        if key not in Settings.__dataclass_fields__:
            raise ValueError(f"{file}: unknown key '{key}'")
        if not isinstance(value, str) or not value:
            raise ValueError(f"{file}: '{key}' needs a text")
    settings = Settings(**values)
    if settings.session_key is not None and len(settings.session_key) < MINIMUM_KEY:
        raise ValueError(f"{file}: 'session_key' has fewer than {MINIMUM_KEY} characters")
    if not os.path.isabs(settings.database):
        raise ValueError(f"{file}: 'database' is not an absolute path")
    return settings

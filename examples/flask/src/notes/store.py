"""The notes in their database. Knows nothing of HTTP or terminals."""

from datetime import datetime, timezone

from sqlalchemy import URL, DateTime, Engine, String, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.schema import CreateTable

MAXIMUM_LENGTH = 4000


class Base(DeclarativeBase):
    """What all tables have in common."""


class Note(Base):
    """One note."""

    __tablename__ = "note"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(MAXIMUM_LENGTH))
    created: Mapped[datetime] = mapped_column(DateTime)

    def as_dict(self) -> dict:
        """The note as the REST interface shows it; times are UTC."""
        return {"id": self.id, "text": self.text, "created": self.created.isoformat(timespec="seconds") + "Z"}


class Store:
    """A database file with notes in it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.engine: Engine = create_engine(URL.create("sqlite", database=self.path))
        event.listen(self.engine, "connect", _configure)

    def create_tables(self) -> None:
        """Makes the tables that are missing; leaves existing ones alone. Several may do so at once."""
        with self.engine.begin() as connection:
            for table in Base.metadata.sorted_tables:
                connection.execute(CreateTable(table, if_not_exists=True))

    def count(self) -> int:
        """The number of notes; fails where the database does not answer."""
        with Session(self.engine) as session:
            return session.query(Note).count()

    def all(self) -> list[Note]:
        """All notes, the newest first."""
        with Session(self.engine) as session:
            return list(session.scalars(select(Note).order_by(Note.id.desc())))

    def get(self, number: int) -> Note | None:
        """One note."""
        with Session(self.engine) as session:
            return session.get(Note, number)

    def add(self, text: object) -> Note:
        """Stores a note. ValueError says what is wrong with the text."""
        if not isinstance(text, str) or not text.strip():
            raise ValueError("a note needs a text")
        if len(text) > MAXIMUM_LENGTH:
            raise ValueError(f"a note has at most {MAXIMUM_LENGTH} characters, this one has {len(text)}")
        created = datetime.now(timezone.utc).replace(tzinfo=None, microsecond=0)
        note = Note(text=text.strip(), created=created)
        with Session(self.engine, expire_on_commit=False) as session:
            session.add(note)
            session.commit()
        return note

    def delete(self, number: int) -> bool:
        """Removes a note; False where there was none."""
        with Session(self.engine) as session:
            note = session.get(Note, number)
            if note is None:
                return False
            session.delete(note)
            session.commit()
            return True

    def close(self) -> None:
        """Closes the connections."""
        self.engine.dispose()


def _configure(connection, _record) -> None:
    # Several workers share the file: a writer waits for another one instead of failing.
    connection.execute("PRAGMA busy_timeout = 5000")

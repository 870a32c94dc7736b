"""Where the entries are kept: in a file, or in a PostgreSQL database.

open_storage() chooses PostgreSQL if DATABASE_HOST is set. DATABASE_USER, DATABASE_NAME and
DATABASE_PASSWORD have the meaning that their names suggest; DATABASE_PASSWORD_FILE names a file
that holds the password, as Docker's secrets do.
"""

import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path

import pg8000.dbapi

TABLE = "CREATE TABLE IF NOT EXISTS entries (name TEXT, sentence TEXT, written {time})"
NEWEST = "SELECT name, sentence FROM entries ORDER BY written DESC LIMIT 50"


class StorageError(Exception):
    """The entries cannot be read or written; the message says why."""


class FileStorage:
    """Entries in an SQLite file below a folder."""

    def __init__(self, folder):
        self.file = Path(folder) / "entries.db"

    @contextmanager
    def connect(self):
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.file)) as database, database:
                database.execute(TABLE.format(time="INTEGER PRIMARY KEY"))
                yield database
        except (OSError, sqlite3.Error) as error:
            raise StorageError(f"{self.file}: {error}") from error

    def add(self, name, sentence):
        with self.connect() as database:
            database.execute("INSERT INTO entries (name, sentence) VALUES (?, ?)", (name, sentence))

    def newest(self):
        with self.connect() as database:
            return [dict(name=n, sentence=s) for n, s in database.execute(NEWEST)]

    def count(self):
        with self.connect() as database:
            return database.execute("SELECT count(*) FROM entries").fetchone()[0]


class PostgresStorage:
    """Entries in a PostgreSQL database; each call opens a connection of its own."""

    def __init__(self, host, user, password, name):
        self.settings = dict(host=host, user=user, password=password, database=name, timeout=3)

    @contextmanager
    def connect(self):
        try:
            with closing(pg8000.dbapi.connect(**self.settings)) as database:
                cursor = database.cursor()
                # Two copies of the guestbook may start at once, so only one may make the table.
                cursor.execute("SELECT pg_advisory_xact_lock(1)")
                cursor.execute(TABLE.format(time="SERIAL PRIMARY KEY"))
                database.commit()
                yield cursor
                database.commit()
        except (OSError, pg8000.dbapi.Error) as error:
            raise StorageError(f"database {self.settings['host']}: {error}") from error

    def add(self, name, sentence):
        with self.connect() as cursor:
            cursor.execute("INSERT INTO entries (name, sentence) VALUES (%s, %s)", (name, sentence))

    def newest(self):
        with self.connect() as cursor:
            cursor.execute(NEWEST)
            return [dict(name=n, sentence=s) for n, s in cursor.fetchall()]

    def count(self):
        with self.connect() as cursor:
            cursor.execute("SELECT count(*) FROM entries")
            return cursor.fetchone()[0]


def open_storage(settings):
    """The storage that the settings, a mapping such as os.environ, ask for."""
    host = settings.get("DATABASE_HOST")
    if not host:
        return FileStorage(settings.get("GUESTBOOK_DATA", "data"))
    return PostgresStorage(
        host,
        settings.get("DATABASE_USER", "guestbook"),
        password(settings),
        settings.get("DATABASE_NAME", "guestbook"),
    )


def password(settings):
    if file := settings.get("DATABASE_PASSWORD_FILE"):
        return Path(file).read_text().strip()
    return settings.get("DATABASE_PASSWORD", "")

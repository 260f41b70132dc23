"""Brings a store's tables to this version of Archer, in one transaction."""

from collections.abc import Callable, Mapping

from sqlalchemy import Connection, inspect, select, update

from archer.errors import ArcherError
from archer.store.schema import TABLES, VERSION, meta

# STEPS[n] changes the tables of version n into those of n + 1.
STEPS: Mapping[int, Callable[[Connection], None]] = {}


def version_of(connection: Connection, where: str) -> int | None:
    """Version of the tables, None for an empty database.

    Raises ArcherError if the tables are not Archer's, or newer than this Archer.
    """
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    version = None
    if "meta" in tables and {c["name"] for c in inspect(connection).get_columns("meta")} == {
        "key",
        "value",
    }:
        version = connection.scalar(select(meta.c.value).where(meta.c.key == "schema"))
    if version is None or not version.isdigit():
        raise ArcherError(f"{where} is a database of something else: name an empty or a new one")
    if int(version) > VERSION:
        raise ArcherError(
            f"{where} was written by a newer Archer (store version {version}, this one knows "
            f"{VERSION}): update Archer, or name another folder or store"
        )
    return int(version)


def prepare(
    connection: Connection,
    where: str,
    steps: Mapping[int, Callable[[Connection], None]] = STEPS,
    version: int = VERSION,
) -> None:
    """Make the tables in an empty database, or migrate older ones to `version`."""
    found = version_of(connection, where)
    if found is None:
        TABLES.create_all(connection, checkfirst=False)
        connection.execute(meta.insert().values(key="schema", value=str(version)))
        return
    for older in range(found, version):
        steps[older](connection)
    if found < version:
        newer = update(meta).where(meta.c.key == "schema").values(value=str(version))
        connection.execute(newer)

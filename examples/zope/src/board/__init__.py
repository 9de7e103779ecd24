"""A notice board: notices in the database, shown to everybody, written by managers."""

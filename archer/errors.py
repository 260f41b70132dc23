"""The one exception a user is meant to read."""


class ArcherError(Exception):
    """A mistake in what the user asked for: one clear line that names the mistake and the fix.

    The command line prints it and leaves with exit code 2; the Python API lets it through.
    """

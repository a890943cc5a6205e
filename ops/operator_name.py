"""Who runs a command, for the audit."""

import getpass
import os


def operator_name() -> str:
    """The login name; a container's user often has none, and is told by its number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # OSError from Python 3.13 on
        return f"user {os.getuid()}"

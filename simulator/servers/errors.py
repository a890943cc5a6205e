"""Why a server cannot be had."""


class ServerError(Exception):
    """A server cannot be started here; the message is meant for the person who asked."""


class NoBinaries(ServerError):
    """This platform has no such binaries: name running servers instead."""


class PortTaken(ServerError):
    """Somebody else took the port between its choice and the server's start."""


def no_binaries(what: str, missing: str, setting: str, example: str) -> NoBinaries:
    """One line that says what is missing and which setting names a running server instead."""
    return NoBinaries(f"{what} cannot be started here ({missing}); name a running one instead: {setting}={example}")

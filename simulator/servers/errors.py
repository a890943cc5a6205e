"""Why a server cannot be had."""


class ServerError(Exception):
    """A server cannot be started here; the message is meant for the person who asked."""


class NoBinaries(ServerError):
    """This platform has no such binaries: name running servers instead."""


class WrongPlatform(ServerError):
    """Processes are started and stopped here in ways that this platform does not know."""


class PortTaken(ServerError):
    """Somebody else took the port between its choice and the server's start."""


def no_binaries(what: str, missing: str, setting: str, example: str) -> NoBinaries:
    """One line that says what is missing and which setting names a running server instead."""
    return NoBinaries(f"{what} cannot be started here ({missing}); name a running one instead: {setting}={example}")


def refuse_windows(platform: str) -> None:
    """Signals, file locks and the supervisor are those of Linux and macOS; `platform` is `sys.platform`.

    Raises:
        WrongPlatform: it is Windows.
    """
    if platform == "win32":
        raise WrongPlatform("this runs on Linux and macOS; on Windows run it in WSL, the Windows Subsystem for Linux")

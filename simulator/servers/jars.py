"""Apache Kafka's jars: taken from Maven Central once, kept in the user's cache folder.

Run as a program (`python -m simulator.servers.jars FOLDER`) to take them, so that Ctrl-C ends a download at once.
"""

import asyncio
import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from simulator.servers.errors import ServerError

VERSION = "4.1.1"
ENDPOINT = f"org.apache.kafka:kafka_2.13:{VERSION}+org.slf4j:slf4j-simple:1.7.36"
BYTES = 44_172_119
"""For the progress bar."""
SHA256 = "1b99f073a43e87b2736a310489b83812e46b68a9b65835edd475056461ae1646"
"""Of all jars together, see `digest`: nothing else than what was tried here is ever run."""
DOWNLOAD_SECONDS = 600


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where things that can be fetched again are kept, by the XDG base directory specification."""
    base = Path(environ.get("XDG_CACHE_HOME") or "")
    if base.is_absolute():
        return base / "tandem"
    home = environ.get("HOME")
    if not home:
        import pwd  # noqa: PLC0415 - not on Windows

        home = pwd.getpwuid(os.getuid()).pw_dir
    return Path(home) / ".cache" / "tandem"


async def kafka_jars(cache: Path) -> Path:
    """The folder of jars, fetched if they are not in `cache` yet. Any number of runs may ask at once.

    Raises:
        ServerError: they cannot be fetched.
    """
    folder = cache / f"kafka-{VERSION}"
    if folder.is_dir():
        return folder
    importable = os.pathsep.join(place for place in sys.path if place)
    fetch = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "simulator.servers.jars", str(folder)),
        stdout=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": importable},
    )
    try:
        async with asyncio.timeout(DOWNLOAD_SECONDS):
            code = await fetch.wait()
    except TimeoutError:
        raise ServerError(f"Kafka's jars did not arrive within {DOWNLOAD_SECONDS} seconds") from None
    finally:
        if fetch.returncode is None:
            fetch.terminate()
            await fetch.wait()
    if code != 0:
        raise ServerError(
            f"Kafka's jars could not be fetched from Maven Central into {cache} (see above); "
            "name a running Kafka instead: KAFKA_BOOTSTRAP_SERVERS=host:9092"
        )
    return folder


def digest(folder: Path) -> str:
    """SHA-256 over `<name> <SHA-256 of the file>` lines in the order of the names."""
    lines = [
        f"{jar.name} {hashlib.sha256(jar.read_bytes()).hexdigest()}\n"
        for jar in sorted(folder.iterdir(), key=lambda jar: jar.name)
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@contextlib.contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """One process at a time; the lock ends with its holder, however that ends."""
    import fcntl  # noqa: PLC0415 - not on Windows

    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def fetch(folder: Path, take: Callable[[Path, Path], None], expected: str = SHA256) -> None:
    """Make `folder` by `take(work folder, jars folder)`, all or nothing; one process does it, the others wait for it.

    Raises:
        ServerError: what came is not what was expected.
    """
    with only_one(folder.with_name(f"{folder.name}.lock")):
        if folder.is_dir():
            return
        for stale in folder.parent.glob(f".{folder.name}-*"):
            shutil.rmtree(stale, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as work:
            jars = Path(work) / "jars"
            jars.mkdir()
            take(Path(work), jars)
            if (came := digest(jars)) != expected:
                raise ServerError(f"the jars that came are not Kafka {VERSION} as it was tried: digest {came}")
            jars.rename(folder)


def take_from_maven_central(work: Path, jars: Path) -> None:
    """Resolve and download, with a progress bar on standard error."""
    from jgo.env import EnvironmentBuilder, LinkStrategy  # noqa: PLC0415 - an optional dependency
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn  # noqa: PLC0415

    console = Console(stderr=True)
    if not console.is_terminal:
        console.print(f"fetching Apache Kafka {VERSION} from Maven Central (43 MB, once)")
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(f"Apache Kafka {VERSION} from Maven Central, once", total=BYTES)

        @contextlib.contextmanager
        def on_file(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
            yield lambda count: progress.advance(bar, count)

        context = MavenContext(repo_cache=work / "repository", resolver=PythonResolver(progress_callback=on_file))
        builder = EnvironmentBuilder(context, cache_dir=work / "environment", link_strategy=LinkStrategy.COPY)
        for jar in builder.from_endpoint(ENDPOINT).all_jars:
            Path(jar).rename(jars / Path(jar).name)


def main(folder: Path) -> int:
    """Fetch into `folder`; 1 with one line on standard error where that failed."""
    try:
        fetch(folder, take_from_maven_central)
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - whatever the resolver and the network raise ends here, told in one line
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(os.fsdecode(sys.argv[1]))))

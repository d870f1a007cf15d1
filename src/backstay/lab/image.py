"""Make the root file system of the machines once, and keep it by the digest of its recipe."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from backstay.errors import PreflightError
from backstay.lab.apt import acquire_options, read_sources
from backstay.lab.commands import follow, run
from backstay.lab.places import image_cache
from backstay.lab.recipe import EXECUTABLES, RECIPE, Recipe, bootstrap_command, digest
from backstay.lab.rootfs import make_directories, write_file
from backstay.lab.waiting import wait_for

NEEDED_BYTES = 1024**3
"""The image is 300 MB, and apt keeps the packages beside it while it unpacks them."""

BUILD_SECONDS = 1800.0
"""How long one run waits for another that makes the same image, on a slow line."""

PARTIAL = ".partial"

Progress = Callable[[str], None]


def silent(_text: str) -> None:
    """Show no progress."""


def image_root(name: str) -> Path:
    """Where the image of that digest is, or will be."""
    return image_cache() / name / "root"


async def ensure_image(recipe: Recipe = RECIPE, *, progress: Progress = silent) -> str:
    """Return the digest of the image, which is made first if it is not in the cache.

    PreflightError if there is no source of packages or no room; StepFailedError if mmdebstrap
    fails. A run that is killed leaves a directory that the next one removes.
    """
    name = digest(recipe)
    root = image_root(name)
    if root.is_dir():
        return name
    cache = image_cache()
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with _alone(cache, progress):
        if not root.is_dir():
            await _make(recipe, cache=cache, progress=progress)
    return name


@asynccontextmanager
async def _alone(cache: Path, progress: Progress) -> AsyncIterator[None]:
    """Hold the lock of the cache; the kernel gives it back when the holder dies."""
    with (cache / ".lock").open("w") as lock:

        async def held() -> str | None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return "another run is making it"
            return None

        if await held():
            progress("waiting for another run that makes the image")
        await wait_for("the lock of the image cache", held, seconds=BUILD_SECONDS, where=str(cache))
        yield


async def _make(recipe: Recipe, *, cache: Path, progress: Progress) -> None:
    await run("rm", "-rf", "--one-file-system", *_leftovers(cache))
    _check_room(cache)
    partial = cache / f"{digest(recipe)}{PARTIAL}"
    partial.mkdir()
    await _bootstrap(recipe, partial, progress)
    _finish(recipe, partial / "root")
    partial.rename(cache / digest(recipe))


def _leftovers(cache: Path) -> tuple[str, ...]:
    """Return what runs that were killed left; the lock says that nobody else is at work."""
    return tuple(str(path) for path in cache.glob(f"*{PARTIAL}"))


def _check_room(cache: Path) -> None:
    free = shutil.disk_usage(cache).free
    if free < NEEDED_BYTES:
        raise PreflightError(
            "there is no room for the image of the machines",
            where=str(cache),
            why=f"{free // 1024**2} MB are free, {NEEDED_BYTES // 1024**2} MB are needed",
            next_move="free some, or set XDG_CACHE_HOME to a place that has it",
        )


async def _bootstrap(recipe: Recipe, partial: Path, progress: Progress) -> None:
    sources, options = partial / "debian.sources", partial / "apt.conf"
    sources.write_text(read_sources(recipe.suite))
    options.write_text(await acquire_options())
    command = bootstrap_command(
        recipe, root=str(partial / "root"), sources=str(sources), options=str(options)
    )
    with (partial / "log").open("w") as log:
        await follow(*command, line=lambda text: _tell(text, progress), log=log)
    options.unlink()


def _tell(line: str, progress: Progress) -> None:
    kind, _, text = line.partition(": ")
    if kind == "I":
        progress(text)


def _finish(recipe: Recipe, root: Path) -> None:
    for pattern in recipe.removed:
        for path in root.glob(pattern):
            path.unlink()
    for name, text in recipe.files.items():
        write_file(root, name, text, mode=0o755 if name in EXECUTABLES else 0o644)
    for name, target in recipe.links.items():
        make_directories(root, str(Path(name).parent))
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(target)

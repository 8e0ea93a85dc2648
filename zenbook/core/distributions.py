"""Find the installed distribution that a module belongs to, and its version.

`importlib.metadata.packages_distributions` reads every installed file list (0.2 s and more); here the folder names
answer most questions, and a file list is read only to confirm.
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

_INSTALLED = re.compile(r"[/\\](site|dist)-packages([/\\]|$)")
_INFO = re.compile(r"^(?P<name>.+?)-(?P<version>[^-]+)(-py[\d.]+)?\.(dist-info|egg-info)$")
_USUAL = {  # modules whose distribution has another name: a first guess, confirmed by its file list
    "sklearn": "scikit_learn",
    "PIL": "pillow",
    "cv2": "opencv_python",
    "yaml": "pyyaml",
    "bs4": "beautifulsoup4",
    "skimage": "scikit_image",
    "dateutil": "python_dateutil",
    "attr": "attrs",
}


def is_stdlib(module: str) -> bool:
    """Whether a module comes with Python.

    Args:
        module: The module's dotted name.

    Returns:
        True for the standard library.
    """
    return module.partition(".")[0] in sys.stdlib_module_names


def is_installed(path: str) -> bool:
    """Whether a file belongs to an installed distribution or to Python itself, and not to the user's project.

    Args:
        path: The file.

    Returns:
        False for a file of the user's project.
    """
    return bool(_INSTALLED.search(path)) or path.startswith(_python_folders())


@lru_cache(maxsize=1)
def _python_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple(paths[key] + os.sep for key in ("stdlib", "platstdlib"))


def find_module(name: str) -> ModuleSpec | None:
    """Find out where a module would be imported from, without importing its parents.

    Args:
        name: The module's dotted name.

    Returns:
        The module's specification; None if it does not exist.
    """
    loaded = sys.modules.get(name)
    spec = getattr(loaded, "__spec__", None)
    if spec is not None and spec.origin is not None:
        return spec  # type: ignore[no-any-return]
    parent, _, _ = name.rpartition(".")
    if not parent:
        return PathFinder.find_spec(name)
    above = find_module(parent)
    if above is None or above.submodule_search_locations is None:
        return None
    return PathFinder.find_spec(name, list(above.submodule_search_locations))


def project_file(name: str) -> str | None:
    """Find the source of a module of the user's project.

    Args:
        name: The module's dotted name.

    Returns:
        The path of its file (of its folder for a namespace package); None for a module that is Python's, zenbook's,
        installed or not there.
    """
    top = name.partition(".")[0]
    if is_stdlib(name) or top in ("zenbook", "__main__"):
        return None
    spec = find_module(name)
    if spec is None:
        return None
    origin = spec.origin
    if origin is None:
        folders = list(spec.submodule_search_locations or ())
        return folders[0] if folders and not is_installed(folders[0] + "/") else None
    if not origin.endswith(".py") or is_installed(origin):
        return None
    return origin


def version_of(module: str) -> tuple[str, str] | None:
    """Find the distribution and version of an importable module.

    Args:
        module: The module's dotted name.

    Returns:
        (distribution, version); the digest of its files as version if no distribution claims the module; None for a
        module that is not installed.
    """
    top = module.partition(".")[0]
    if is_stdlib(top):
        return None
    return _version_of(top if _is_regular(top) else module, installation_stamp())


@lru_cache(maxsize=512)
def _is_regular(top: str) -> bool:
    spec = find_module(top)
    return spec is not None and spec.origin is not None


def installation_stamp() -> tuple[tuple[str, int], ...]:
    """The state of the folders that packages are installed in: an installation changes their time stamps."""
    stamps = []
    for folder in sys.path:
        if _INSTALLED.search(folder):
            try:
                stamps.append((folder, os.stat(folder).st_mtime_ns))  # noqa: PTH116
            except OSError:
                continue
    return tuple(stamps)


@lru_cache(maxsize=2048)
def _version_of(module: str, stamp: tuple[tuple[str, int], ...]) -> tuple[str, str] | None:
    spec = find_module(module)
    if spec is None:
        return None
    origin = spec.origin or next(iter(spec.submodule_search_locations or ()), None)
    if origin is None or origin in ("built-in", "frozen"):
        return None
    folder = _installation_folder(origin)
    if folder is None:
        return module.partition(".")[0], _digest_version(origin)
    relative = Path(os.path.abspath(origin)).relative_to(folder).as_posix()  # noqa: PTH100
    infos = _distributions(folder, stamp)
    guess = _normalized(_USUAL.get(module, module.partition(".")[0]))
    order = sorted(infos, key=lambda name: name != guess)
    for name in order:
        info, version = infos[name]
        if _claims(folder / info, relative):
            return name.replace("_", "-"), version
    return module.partition(".")[0], _digest_version(origin)


def _installation_folder(origin: str) -> Path | None:
    origin = os.path.abspath(origin)  # noqa: PTH100  # as the entries of sys.path: symbolic links stay as they are
    for folder in sorted({os.path.abspath(entry) for entry in sys.path if entry}, key=lambda path: -len(path)):  # noqa: PTH100
        if origin.startswith(folder + os.sep):
            return Path(folder)
    return None


@lru_cache(maxsize=64)
def _distributions(folder: Path, _: tuple[tuple[str, int], ...]) -> dict[str, tuple[str, str]]:
    """Normalized name → (metadata folder, version) of what is installed in a folder, in a state of installation."""
    installed = {}
    for entry in os.listdir(folder):  # noqa: PTH208
        match = _INFO.match(entry)
        if match:
            installed[_normalized(match["name"])] = (entry, match["version"])
    return installed


def installed_distributions() -> dict[str, str]:
    """The versions of all installed distributions by name; the first on ``sys.path`` counts."""
    stamp, versions = installation_stamp(), {}
    for folder, _ in reversed(stamp):
        versions.update(
            {name.replace("_", "-"): version for name, (_, version) in _distributions(Path(folder), stamp).items()}
        )
    return dict(sorted(versions.items()))


def _claims(info: Path, relative: str) -> bool:
    for name, columns in (("RECORD", True), ("installed-files.txt", False), ("SOURCES.txt", False)):
        try:
            text = (info / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        return f"\n{relative}," in "\n" + text if columns else relative in text
    return False


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def _digest_version(origin: str) -> str:
    """16 hex digits for a module that has no version: of its file, or of all code of its package."""
    from zenbook.core.digest import digest_of_path, digest_of_text

    path = Path(origin)
    if path.name == "__init__.py":
        path = path.parent
    if path.is_dir():
        files = sorted(entry for entry in path.rglob("*") if entry.suffix in (".py", ".so", ".pyd") and entry.is_file())
        return digest_of_text("\n".join(f"{file.relative_to(path)} {digest_of_path(file)}" for file in files))[:16]
    return digest_of_path(path)[:16] if path.exists() else ""

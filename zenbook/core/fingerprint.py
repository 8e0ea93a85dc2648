"""The fingerprint of a capsule: what the cache goes by.

It is a digest of the canonical form of what travels, and of the versions of the distributions that this imports. So
whatever changes what a step does changes its fingerprint; a comment, a blank line or another Python version does not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from zenbook.core.canonical import canonical_source
from zenbook.core.capsule import Capsule
from zenbook.core.digest import digest_of_text
from zenbook.core.graph import Json


def fingerprint(capsule: Capsule) -> str:
    """blake3, 64 hex digits, of the capsule's meaning."""
    parts = [capsule.entry, canonical_source(capsule.cell)]
    parts += [f"{one.name}\n{canonical_source(one.source)}" for one in sorted(capsule.modules, key=lambda m: m.name)]
    parts += [f"{name}=={version}" for name, version in capsule.requirements]
    return digest_of_text("\0".join(parts))


def cache_key(
    code: str,
    arguments: Mapping[str, Json],
    inputs: Mapping[str, str],
    outputs: tuple[str, ...],
    contents: tuple[str, ...],
) -> str:
    """blake3, 64 hex digits, of a call: the fingerprint, the arguments, what the inputs and files contain.

    ``inputs`` are `Stored.key` by input name, ``contents`` the digests of the files that path arguments name.
    """
    call = [code, dict(arguments), dict(inputs), list(outputs), list(contents)]
    return digest_of_text(json.dumps(call, sort_keys=True, separators=(",", ":")))

"""The fingerprint of a capsule, on which the cache key depends.

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
    """Compute the fingerprint of a capsule's meaning.

    Args:
        capsule: The capsule.

    Returns:
        64 hex digits.
    """
    parts = [capsule.entry, canonical_source(capsule.cell)]
    parts += [
        f"{module.name}\n{canonical_source(module.source)}" for module in sorted(capsule.modules, key=lambda m: m.name)
    ]
    parts += [f"{name}=={version}" for name, version in capsule.requirements]
    return digest_of_text("\0".join(parts))


def cache_key(
    code: str,
    arguments: Mapping[str, Json],
    inputs: Mapping[str, str],
    outputs: tuple[str, ...],
    contents: tuple[str, ...],
) -> str:
    """Compute the cache key of a call.

    Args:
        code: The fingerprint of the capsule.
        arguments: The arguments as the plan holds them.
        inputs: `Stored.key` by input name.
        outputs: The names of the outputs.
        contents: The digests of the files that path arguments name.

    Returns:
        64 hex digits.
    """
    call = [code, dict(arguments), dict(inputs), list(outputs), list(contents)]
    return digest_of_text(json.dumps(call, sort_keys=True, separators=(",", ":")))

"""What a worker finds installed, where it is not what the plan was made with: the cache has to know."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version

from zenbook.core.distributions import version_of
from zenbook.core.fingerprint import fingerprint
from zenbook.core.plan import Plan


def with_installed_versions(plan: Plan, step: str) -> tuple[Plan, tuple[str, ...]]:
    """The plan with the step's fingerprint as it is with the packages of this interpreter, and what differs."""
    capsule = plan.capsule_of(step)
    here = tuple((name, _version(name)) for name, _ in capsule.requirements)
    if here == capsule.requirements:
        return plan, ()
    code = replace(plan.code[step], fingerprint=fingerprint(replace(capsule, requirements=here)))
    told = tuple(
        f"it ran with {name} {now}, and was planned with {planned}" if now else f"{name} {planned} is not installed"
        for (name, planned), (_, now) in zip(capsule.requirements, here, strict=True)
        if planned != now
    )
    return replace(plan, code={**plan.code, step: code}), told


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        found = version_of(name)  # a module that no distribution claims
        return found[1] if found is not None else ""

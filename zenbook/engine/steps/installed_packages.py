"""Compare the packages of a worker with those of the plan: the cache key depends on the installed versions."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version

from zenbook.core.distributions import version_of
from zenbook.core.fingerprint import fingerprint
from zenbook.core.plan import Plan


def with_installed_versions(plan: Plan, step: str) -> tuple[Plan, tuple[str, ...]]:
    """Compute a step's fingerprint with the packages that this interpreter has.

    Args:
        plan: The plan.
        step: The step's name.

    Returns:
        The plan with that fingerprint, and a sentence for each package that differs.
    """
    capsule = plan.capsule_of(step)
    here = tuple((name, _version(name)) for name, _ in capsule.requirements)
    if here == capsule.requirements:
        return plan, ()
    code = replace(plan.code[step], fingerprint=fingerprint(replace(capsule, requirements=here)))
    differences = tuple(
        f"it ran with {name} {now}, and was planned with {planned}" if now else f"{name} {planned} is not installed"
        for (name, planned), (_, now) in zip(capsule.requirements, here, strict=True)
        if planned != now
    )
    return replace(plan, code={**plan.code, step: code}), differences


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        distribution = version_of(name)  # a module that no distribution claims
        return distribution[1] if distribution is not None else ""

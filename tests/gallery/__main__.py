"""Run gallery scripts by hand: ``python -m tests.gallery [PATTERN…] [--limit 120] [--jobs 2] [--keep DIR]``."""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests.gallery.harness import Outcome, run_script
from tests.gallery.sources import gallery_folder, read_script, unfit
from tests.gallery.times import TIMES_OF


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.gallery", description=__doc__)
    parser.add_argument("patterns", nargs="*", help="regular expressions on the scripts' paths")
    parser.add_argument("--limit", type=float, default=120, help="seconds for each process")
    parser.add_argument("--jobs", type=int, default=1, help="scripts at a time; each runs two processes")
    parser.add_argument("--keep", type=Path, help="where workspaces and logs stay")
    options = parser.parse_args()
    folder = gallery_folder()
    scripts, unfitting = [], {}
    for path in sorted(folder.rglob("*.py")):
        script = read_script(path, folder)
        if not options.patterns or any(re.search(one, script.name) for one in options.patterns):
            reason = unfit(script)
            if reason:
                unfitting[script.name] = reason
            else:
                scripts.append(script)
    scratch = options.keep or Path(tempfile.mkdtemp(prefix="gallery-"))
    outcomes = []
    with ThreadPoolExecutor(options.jobs) as pool:

        def one(script):
            place = scratch / script.name.replace("/", ".").removesuffix(".py")
            shutil.rmtree(place, ignore_errors=True)
            return run_script(script, place, limit=options.limit, excluded=TIMES_OF.get(script.name))

        for done in as_completed([pool.submit(one, script) for script in scripts]):
            outcomes.append(done.result())
            print(*lines(outcomes[-1]), sep="\n", flush=True)
    if not options.keep:
        shutil.rmtree(scratch, ignore_errors=True)
    equal = sum(one.equal for one in outcomes)
    cached = sum(one.equal and not one.run_again for one in outcomes)
    print(
        f"\n{len(outcomes)} scripts run, {equal} equal; {cached} of these served from the cache, unseeded draws aside"
    )
    print(f"{len(unfitting)} scripts not run:")
    for name, reason in unfitting.items():
        print(f"  {name}: {reason}")


def lines(outcome: Outcome) -> list[str]:
    """An outcome as lines of text."""
    word = "equal" if outcome.equal else "DIFFERS"
    word += f", {len(outcome.run_again)} RAN AGAIN" if outcome.run_again else ""
    word += f", {len(outcome.not_cached)} not cached" if outcome.not_cached else ""
    said = [f"{word:24} {outcome.seconds:6.1f} s  {len(outcome.plain):2} cells  {outcome.script}"]
    said += [f"    {outcome.trouble}"] if outcome.trouble else []
    said += [f"    plain:{cell.name}: {cell.error:.200}" for cell in outcome.plain if cell.error][:2]
    said += [f"    {name}: {error:.400}" for name, error in outcome.errors.items()]
    for each, found in outcome.differences.items():
        said += [f"    {each}: {' '.join(f'{name}: {how}'.split()):.240}" for name, how in found.items()][:9]
    for name, cell in outcome.run_again.items():
        if not cell.error:
            said.append(f"    {name} ran again: {cell.why} | {'; '.join(cell.notes):.300}")
    return said


if __name__ == "__main__":
    main()

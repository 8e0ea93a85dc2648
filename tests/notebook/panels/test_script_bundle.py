"""Joining the JavaScript modules of a panel into one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from zenbook.notebook.panels.script_bundle import bundle

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(
    NODE is None, reason="node is not installed (make test installs it where apt is usable)"
)


def run(script: str, folder: Path) -> str:
    """What a module prints under node."""
    assert NODE is not None
    (folder / "bundle.mjs").write_text(script)
    return subprocess.run([NODE, "bundle.mjs"], cwd=folder, capture_output=True, text=True, check=True).stdout


@needs_node
def test_each_module_has_a_scope_of_its_own(tmp_path: Path) -> None:
    modules = {
        "entry.js": 'import { greet, NAMES } from "./greetings.js";\nconst secret = "entry";\n'
        "console.log(greet(NAMES[0]), secret);\nexport default { greet };",
        "greetings.js": 'import {\n  join,\n} from "./words.js";\nconst secret = "greetings";\n'
        'export const NAMES = ["Ada"];\nexport function greet(name) {\n  return join(secret, name);\n}',
        "words.js": 'const secret = " ";\nexport function join(...words) {\n  return words.join(secret);\n}',
    }
    assert run(bundle("entry.js", modules.__getitem__), tmp_path) == "greetings Ada entry\n"


def test_a_module_that_two_others_import_is_joined_once() -> None:
    modules = {
        "entry.js": 'import { a } from "./a.js";\nimport { b } from "./b.js";\nexport default { a, b };',
        "a.js": 'import { c } from "./c.js";\nexport const a = c;',
        "b.js": 'import { c } from "./c.js";\nexport const b = c;',
        "c.js": "export const c = 1;",
    }
    script = bundle("entry.js", modules.__getitem__)
    assert script.count("const c = 1;") == 1
    assert script.index("const c = 1;") < script.index("const a = c;")


@pytest.mark.parametrize(
    "line", ['import * as a from "./a.js";', 'import { a } from "react";', "export { a };", "export let a = 1;"]
)
def test_another_form_of_import_or_export_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"entry\.js cannot be bundled"):
        bundle("entry.js", {"entry.js": line, "a.js": ""}.__getitem__)


def test_modules_that_import_each_other_are_refused() -> None:
    modules = {"entry.js": 'import { a } from "./a.js";', "a.js": 'import { b } from "./entry.js";'}
    with pytest.raises(ValueError, match=r"entry\.js -> a\.js -> entry\.js"):
        bundle("entry.js", modules.__getitem__)


@needs_node
@pytest.mark.parametrize("panel", ["run", "history", "stack"])
def test_the_panels_own_scripts_are_modules_that_need_no_other(panel: str, tmp_path: Path) -> None:
    script = bundle(f"{panel}_panel.js")
    assert run(f"{script}\nconsole.log(typeof render);", tmp_path) == "function\n"

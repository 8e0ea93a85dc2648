"""``%zen`` and pipelines in a real kernel."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.notebook.kernels import LIMIT, Kernel, kernel

PIPELINE = """
import time
from zenbook import pipeline, step

@step
def load(n: int = 3):
    print("loading")
    return list(range(n))

@step
def total(values, factor: int = 1):
    return sum(values) * factor

@pipeline
def adding(n: int = 3, factor: int = 1):
    return total(load(n), factor=factor)
"""

WAITS = "@step\ndef waits(x=0):\n    print('waiting', flush=True)\n    time.sleep(60)\n"


@pytest.fixture
def k(tmp_path: Path) -> Iterator[Kernel]:
    with kernel(tmp_path) as one:
        one.run("%load_ext zenbook")
        one.run(PIPELINE)
        yield one


def test_a_run_shows_one_output_that_needs_no_kernel_and_no_widget(k: Kernel) -> None:
    done = k.run("run = adding(n=4)")
    shown = done.of("display")
    assert len(shown) == 1
    assert set(shown[0]["data"]) == {"text/plain", "text/html"}
    assert 'src="data:image/svg+xml;base64,' in shown[0]["data"]["text/html"]
    assert "<script" not in shown[0]["data"]["text/html"]
    assert "loading" in done.of("stream")[0]["text"]
    assert k.run("run.state, run.metrics['total'], run.logs").result == (
        "(<RunState.SUCCEEDED: 'succeeded'>, 6.0, 'loading\\n')"
    )


def test_a_run_as_the_last_value_is_not_shown_twice(k: Kernel) -> None:
    done = k.run("adding(n=5)")
    assert len(done.of("display")) == 1
    assert "<img" not in done.of("result")[0]["data"]["text/html"]
    assert (
        "<img"
        in k.run("adding.options(name='x')\nfrom zenbook import find_run\nfind_run()").of("result")[0]["data"][
            "text/html"
        ]
    )


def test_a_step_opens_files_though_ipython_guards_open_in_a_notebook(k: Kernel, tmp_path: Path) -> None:
    (tmp_path / "here.txt").write_text("read")
    k.run("from zenbook import pipeline, step")
    k.run("@step\ndef reads(path: str) -> str:\n    return open(path).read()")
    k.run("@pipeline\ndef reading(path: str = 'here.txt'):\n    reads(path)")
    assert k.run("print(reading().steps['reads'].outputs['output'].load())").text.endswith("read\n")
    assert k.run("%%step cell\ntext = open('here.txt').read()\nprint(text)").text.startswith("read\n")


def test_the_cells_of_another_notebook_do_not_run_among_the_names_of_this_one(k: Kernel, tmp_path: Path) -> None:
    (tmp_path / "other.ipynb").write_text("{}")
    for verb in ("run other.ipynb", "export airflow other.ipynb --to out"):
        assert "write ! instead of %" in k.run(f"%zen {verb}", ok=False).text


def test_a_long_step_shows_the_run_while_it_goes_on(k: Kernel) -> None:
    k.run("@step\ndef long():\n    time.sleep(0.8)\n@pipeline\ndef slow(): long()")
    done = k.run("slow()\nNone")
    assert len(done.of("display")) == 1
    assert done.of("display")[0].get("updated")


def test_the_verbs_give_objects_and_draw_themselves(k: Kernel) -> None:
    k.run("adding(); adding(factor=2)")
    assert k.run("x = %zen runs --pipeline adding -n 1\nlen(x), x[0].params").result == "(1, {'factor': 2, 'n': 3})"
    assert "cached" in k.run("%zen why latest load").result
    assert "loading" in k.run("%zen logs adding").result or "nothing was printed" in k.run("%zen logs latest").result
    assert "default" in k.run("%zen stack list").result
    assert "workspace" in k.run("%zen status").result
    assert k.run("y = %zen run adding --param factor=7\ny.metrics['total']").result == "21.0"
    assert "Usage: zen" in k.run("%zen --help").text


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("%zen rusn", "Did you mean 'run' or 'runs'?"),
        ("%zen stack ues prod", "Did you mean 'use'"),
        ("%zen stack use prod", "Unknown stack 'prod'."),
        ("%zen run addding", "Did you mean 'adding'?"),
        ("%zen run adding --param fctor=1", "Did you mean 'factor'?"),
        ("%zen run adding --param factor", "has no value"),
        ("%zen show 'nothing", "quotation"),
        ("adding(fctor=1)", "Did you mean 'factor'?"),
        ("adding(n='x')", "takes int"),
        ("adding(); __import__('zenbook').find_run().steps['laod']", "Did you mean 'load'?"),
    ],
)
def test_a_mistake_is_one_sentence_and_a_way_out_and_stops_the_notebook(k: Kernel, line: str, says: str) -> None:
    done = k.run(line, ok=False)
    assert done.error.endswith("Error")
    assert says in done.text
    traceback = done.of("error")[0]["traceback"]
    assert len(traceback) <= 2, traceback


def test_a_step_s_own_exception_shows_the_user_s_frames_alone_and_the_debugger_sees_the_step(k: Kernel) -> None:
    k.run("@step\ndef boom(x):\n    inner = x * 2\n    return 1 / (inner - inner)\n@pipeline\ndef failing(): boom(4)")
    done = k.run("failing()", ok=False)
    assert done.error == "ZeroDivisionError"
    for ours in ("calling.py", "step_run.py", "launch.py", "pipeline.py", "sequence.py"):
        assert ours not in done.text
    assert "inner" in done.text
    assert (
        k.run(
            "import sys\ntb = sys.last_traceback\nwhile tb.tb_next: tb = tb.tb_next\ntb.tb_frame.f_locals['inner']"
        ).result
        == "8"
    )


def test_the_stop_button_cancels_a_run_at_once(k: Kernel) -> None:
    k.run(WAITS + "@pipeline\ndef long(): total(waits())")
    message = k.start("long()")
    k.until(message, "waiting")
    k.interrupt()
    done = k.finish(message)
    assert done.seconds < 1.5
    assert done.error == "KeyboardInterrupt"
    assert k.run(
        "r = __import__('zenbook').find_run()\nstr(r.state), {n: str(s.state) for n, s in r.steps.items()}"
    ).result == ("('cancelled', {'waits': 'cancelled', 'total': 'skipped'})")


def test_a_killed_kernel_leaves_a_crashed_run_and_its_finished_steps(k: Kernel, tmp_path: Path) -> None:
    k.run(WAITS + "@pipeline\ndef long(): waits(load(9))")
    message = k.start("long()")
    k.until(message, "waiting")
    k.kill()
    with kernel(tmp_path) as other:
        other.run("%load_ext zenbook")
        shown = other.run("r = %zen show latest\nstr(r.state), {n: str(s.state) for n, s in r.steps.items()}")
        assert shown.result == "('crashed', {'load': 'succeeded', 'waits': 'crashed'})"
        other.run(PIPELINE)
        assert other.run("str(adding(n=9).steps['load'].state)").result == "'cached'"


def asked(k: Kernel, line: str) -> str:
    """What the pager shows."""
    message = k.client.execute(line)
    while True:
        reply = k.client.get_shell_msg(timeout=LIMIT)
        if reply["parent_header"].get("msg_id") == message:
            return str(re.sub(r"\x1b\[[\d;]*m", "", reply["content"]["payload"][0]["data"]["text/plain"]))


def test_a_question_mark_says_what_help_says(k: Kernel) -> None:
    told = k.run("%zen --help").text.strip()
    assert "zen run train.py:training --param lr=0.3" in told
    assert told in asked(k, "%zen?")
    assert "Example: %%step fit --retries 2" in asked(k, "%%step?")


def test_an_edited_module_is_loaded_again_by_autoreload_and_its_steps_run_anew(k: Kernel, tmp_path: Path) -> None:
    module = tmp_path / "reloaded.py"
    text = "from zenbook import step\n\ndef factor():\n    return {0}\n\n@step\ndef times(x: int = 2):\n    return x * factor()\n"
    module.write_text(text.format(10))
    k.run("%load_ext autoreload\n%autoreload 2\nimport reloaded\nfrom zenbook import pipeline")
    k.run("@pipeline\ndef multiplied(): reloaded.times()")
    value = "multiplied().steps['times']"
    assert k.run(f"one = {value}\nstr(one.state), one.outputs['output'].load()").result == "('succeeded', 20)"
    assert k.run(f"str({value}.state)").result == "'cached'"
    module.write_text(text.format(100))
    os.utime(module, (time.time() + 5, time.time() + 5))  # not the same second as before
    assert k.run(f"one = {value}\nstr(one.state), one.outputs['output'].load()").result == "('succeeded', 200)"
    assert k.run("reloaded.times(3)").result == "300"


def state_of_ipython(k: Kernel) -> str:
    return k.run("""
ip = get_ipython()
{
    "magics": {kind: sorted(all) for kind, all in ip.magics_manager.magics.items()},
    "events": {name: len(all) for name, all in ip.events.callbacks.items()},
    "matchers": len(ip.Completer.custom_matchers),
    "errors": [one.__name__ for one in ip.custom_exceptions],
    "transformers": len(ip.input_transformers_cleanup) + len(ip.input_transformers_post) + len(ip.ast_transformers),
    "own": sorted(one for one in vars(ip) if one not in ("_zenbook_steps", "custom_exceptions", "CustomTB")),
    "excepthook": __import__("sys").excepthook.__name__,
    "warnings": __import__("warnings").showwarning.__module__,
    "stdout": type(__import__("sys").stdout).__name__,
}""").result


def test_unloading_leaves_no_state_of_ipython_changed(k: Kernel) -> None:
    k.run("%unload_ext zenbook")
    before = state_of_ipython(k)
    k.run("%load_ext zenbook\n%load_ext zenbook\n%reload_ext zenbook")
    k.run("adding()")
    k.run("adding.undefined", ok=False)
    k.run("%zen rusn", ok=False)
    assert state_of_ipython(k) != before
    k.run("%unload_ext zenbook")
    assert state_of_ipython(k) == before
    k.run("%load_ext zenbook")


def test_loading_twice_unloading_and_reloading_leaves_ipython_as_it_was(k: Kernel) -> None:
    k.run("%load_ext zenbook\n%reload_ext zenbook")
    assert len(k.run("adding()\nNone").of("display")) == 1
    k.run("%unload_ext zenbook")
    assert k.run("'zen' in get_ipython().magics_manager.magics['line']").result == "False"
    assert k.run("adding()\nNone").of("display") == []
    k.run("%load_ext zenbook")
    assert "default" in k.run("%zen stack list").result
    k.run("%unload_ext zenbook")
    assert k.run(
        "from zenbook.core.capture import executed_cells\nfrom zenbook.engine import progress_displays\n"
        "executed_cells._labels, progress_displays.display_checks"
    ).result == ("([], [])")


def test_a_step_redefined_while_its_run_goes_on_finishes_as_it_was_planned(k: Kernel) -> None:
    k.run(
        "@step\ndef first():\n    global_space = __import__('IPython').get_ipython().user_ns\n"
        "    exec('def late_helper(): return 2', global_space)\n    return 1\n"
        "def late_helper(): return 1\n"
        "@step\ndef second(x): return x + late_helper()\n@pipeline\ndef both(): return second(first())"
    )
    assert k.run("both().metrics['second']").result == "2.0"


def test_a_password_in_a_cell_is_warned_of_and_asking_is_not(k: Kernel) -> None:
    line = "%zen metadata-store register {name} mysql --username me --password"
    inline = k.run(line.format(name="a") + " hunter2")
    assert "This cell, and so the notebook's file, now contains the password" in inline.result
    assert "hunter2" not in inline.result
    for verb in ("metadata-store register u mysql --path", "config metadata set --no-check"):
        in_url = k.run(f"%zen {verb} mysql://me:hunter%322@127.0.0.1/zen")
        assert "now contains the password" in in_url.result
        assert "hunter" not in in_url.result
    among_others = k.run("%zen artifact-store register o filesystem --path sftp://host/dir --secrets password=hunter2")
    assert "now contains the secrets" in among_others.result
    by_variable = k.run("name = 'b'\n" + line.format(name="{name}") + " ${DB_PASSWORD}")
    assert "now contains" not in by_variable.result
    assert "${DB_PASSWORD}" in by_variable.result
    assert "metadata store b" in by_variable.result


def test_a_secret_is_asked_for_in_the_notebook(k: Kernel) -> None:
    done = k.run_and_answer("%zen metadata-store register asked mysql --password", "hunter2")
    assert "(kept in .zen/secrets.json, encrypted)" in done.result
    assert "now contains" not in done.result
    assert "hunter2" not in str(done.outputs)


def test_a_stack_for_production_is_named_wherever_a_run_is_shown(k: Kernel) -> None:
    k.run("%zen stack register live --production\n%zen stack use live")
    assert "on live (production)" in k.run("run = adding(n=2)").of("display")[0]["data"]["text/html"]
    assert "on live (production)" in k.run("%zen show latest").of("result")[0]["data"]["text/html"]
    assert "on live (production)" in k.run("%%step a_cell\nvalue = 1").text


def test_nothing_of_the_notebook_is_pasted_into_sql(k: Kernel) -> None:
    k.run("x = 'pasted'")
    assert "{x} $x" in k.run("%zen sql \"select '{x} $x' as text\"").result

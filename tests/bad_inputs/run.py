"""What `pinch` says to bad inputs: python tests/bad_inputs/run.py [PART OF A COMMAND].

Each case of cases.txt runs in a process of its own, forked from one that has the modules, on files
that files.py makes. Right is: an exit code above 0, one line that says what it has to, no
traceback, and nothing written.
"""

import gc
import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LIMIT_SECONDS = 60


class Case(NamedTuple):
    """A command without `pinch`, and what its one line has to say."""

    command: str
    says: str


def read_cases() -> list[Case]:
    """Returns the cases of cases.txt."""
    text = Path(__file__).with_name("cases.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    pairs = zip(lines[::2], lines[1::2], strict=True)
    return [Case(command, says.strip()) for command, says in pairs]


def check(case: Case, root: Path) -> str:
    """Returns what is wrong with the answer to a case, "" being nothing."""
    before = _names(root)
    with tempfile.TemporaryFile("w+") as heard:
        code = _run(shlex.split(case.command.replace("{root}", str(root))), heard.fileno())
        heard.seek(0)
        text = heard.read()
    expected = case.says.replace("{root}", str(root))
    if code == 0:
        return f"accepted: {text[-300:]}"
    if "Traceback" in text:
        return f"a traceback: {text[-600:]}"
    if expected not in text:
        return f"says: {text[-600:]}"
    if not (told := text.rstrip().splitlines()[-1]).startswith("pinch"):
        return f"the last line is {told!r}"
    # What a corpus was read into is not lost with the call.
    written = [os.path.relpath(name, root) for name in sorted(_names(root) - before)]
    written = [name for name in written if not name.startswith("corpora")]
    return f"left {written}" if written else ""


def _names(root: Path) -> set[str]:
    walk = os.walk(root)
    return {f"{at}/{name}" for at, folders, files in walk for name in (*folders, *files)}


def _run(arguments: list[str], output: int) -> int:
    """Returns the exit code of a call; 256 where it took too long."""
    child = os.fork()
    if not child:
        _become(arguments, output)
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 256


def _become(arguments: list[str], output: int) -> None:
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.argv = ["pinch", *arguments]
    code = 1
    try:
        from pinch_jax.main import main

        main()
        code = 0
    except SystemExit as end:
        if isinstance(end.code, str):
            os.write(2, f"{end.code}\n".encode())
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        import traceback

        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def answers(part: str = "") -> Iterator[tuple[Case, str]]:
    """Yields each case with this in its command, and what is wrong with its answer."""
    os.environ["JAX_PLATFORMS"] = "cpu"
    sys.dont_write_bytecode = True  # what Python keeps beside a config is nothing that is left
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory).resolve()
        child = os.fork()  # what makes the files starts threads, which no fork survives
        if not child:
            from files import write_files

            write_files(root)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        _import_all()
        for case in read_cases():
            if part in case.command:
                yield case, check(case, root)
                shutil.rmtree(root / "w", ignore_errors=True)


def _import_all() -> None:
    """Loads what calls load when they come to it, once for all cases; starts no thread."""
    import pinch_jax.corpus.assemble
    import pinch_jax.judge.gate
    import pinch_jax.judge.verdicts
    import pinch_jax.main
    import pinch_jax.report.mixture
    import pinch_jax.report.page
    import pinch_jax.study.generating
    import pinch_jax.study.pins
    import pinch_jax.study.plan
    import pinch_jax.study.runner
    import pinch_jax.study.scoring
    import pinch_jax.study.tuning
    import pinch_jax.study.workbench  # noqa: F401
    from pinch_jax.data.order import permutation
    from pinch_jax.languages import language

    language("en")  # what Babel reads stays
    permutation(2, 0)  # compiled, or read from where Numba keeps it
    gc.freeze()  # else each child copies what its collector looks at


def main() -> None:
    """Prints the cases whose answer is wrong, and how many there are."""
    wrong = count = 0
    for case, trouble in answers(" ".join(sys.argv[1:])):
        count += 1
        if trouble:
            wrong += 1
            print(f"{case.command}\n    wanted: {case.says}\n    {trouble}\n", flush=True)
    print(f"{count} bad inputs: {count - wrong} are refused in one line that says why")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()

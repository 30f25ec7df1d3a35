"""Small calls that are killed, told to stop, damaged and made twice at once: nothing may differ.

python tests/chaos.py [KILLS] [SEED] prints a table. Each call is made once in peace; then over and
over, ended at a drawn moment in a drawn way, until it comes to its end. What it has made must be
the same to the byte; whoever is told to stop must say how to go on, and end with the code for it.
"""

import collections
import random
import re
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import side_by_side  # noqa: E402
from bad_inputs.files import CONFIG, lines, write_study  # noqa: E402
from known_sentences import BOILING, EGG, HOURS, OPENING  # noqa: E402
from translation_server import TranslationServer  # noqa: E402

from pinch_jax.hosts.stops import GO_ON  # noqa: E402

LIMIT_SECONDS = 300
# A call is read and listens to signals well before, on a slow machine too.
LISTENS_SECONDS = 8.0
# The files that tell of time, place or process.
OF_THE_MOMENT = {"study.json", "command.txt", "lock", "findings.json"}
WAYS = {
    "study": ("SIGKILL", "SIGTERM", "SIGINT", "damage", "twice"),
    "corpus": ("SIGKILL", "SIGTERM", "SIGINT", "twice"),
    "generate": ("SIGKILL", "SIGTERM", "SIGINT"),
    "convert": ("SIGKILL", "SIGTERM", "SIGINT"),
}
# What the corpus is translated at, by a service that is paid for every answer.
CONCURRENCY = 4
TRANSLATED = {"train": (OPENING, HOURS, 20), "heldout": (EGG, BOILING, 8)}
TRANSLATION = """
    for split in ("train", "heldout"):
        c.corpus[split] = ("jsonl:{root}/" + split + ".jsonl",)
    c.corpus.translation.by = "openai"
    c.corpus.translation.model = "a-model"
    c.corpus.translation.base_url = "{url}/v1"
    c.corpus.translation.requests_per_second = 30.0
    c.corpus.translation.concurrency = {concurrency}
    return c
"""


class Call(NamedTuple):
    """A call of `pinch`, and the folder that it writes."""

    name: str
    arguments: list[str]
    output: Path


def calls(root: Path, place: Path) -> list[Call]:
    """Returns the calls that are put to the test, writing into `place`."""
    config = f"--config={root}/config.py"
    return [
        Call("study", ["study", config, f"--workdir={place}/study"], place / "study"),
        Call(
            "generate",
            ["generate", config, "--model=tiny", f"--output={place}/said/answers.jsonl"],
            place / "said",
        ),
        Call(
            "corpus",
            [
                "corpus",
                f"--config={root}/translated.py",
                "--yes",
                f"--data_dir={place}/corpora",
            ],
            place / "corpora",
        ),
        Call("convert", ["convert", "--source=tiny", f"--target={place}/tuned"], place / "tuned"),
    ]


def write_translated(root: Path, url: str) -> None:
    """Writes a corpus in English alone, and a config that has it translated."""
    for split, (prompt, response, count) in TRANSLATED.items():
        texts = [
            {"id": f"{split}-{n}", "prompt": f"{prompt} ({n})", "response": f"{response} ({n})"}
            for n in range(count)
        ]
        lines(root / f"{split}.jsonl", texts)
    how = TRANSLATION.format(root=root, url=url, concurrency=CONCURRENCY)
    text = CONFIG.format(root=root).replace("    return c\n", how)
    (root / "translated.py").write_text(text)


def start(call: Call, log: Path) -> side_by_side.Call:
    """Returns a process that makes a call."""
    return side_by_side.Call(["-m", "pinch_jax.main", *call.arguments], log, OPENAI_API_KEY="a key")


def contents(folder: Path) -> dict[str, bytes]:
    """Returns what a call has made: every file that does not tell of its moment."""
    made = {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
        and path.name not in OF_THE_MOMENT
        and not {"tensorboard", "report", "goodput"} & set(path.parts)
    }
    for path in made:
        if "translations" in path.parts:  # in the order in which the answers came
            made[path] = b"".join(sorted(made[path].splitlines(keepends=True)))
    return {str(path): content for path, content in made.items()}


def in_peace(call: Call, log: Path) -> float:
    """Makes a call to its end; returns how many seconds it took."""
    call.output.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    if start(call, log).wait(LIMIT_SECONDS):
        raise AssertionError(log.read_text())
    return time.monotonic() - started


def disturb(call: Call, way: str, seconds: float, log: Path, draw: random.Random) -> str:
    """Makes a call and ends it in a way after some seconds; returns what became of it.

    That is "done", "stopped", or what is wrong.
    """
    logs = [log.with_suffix(f".{n}") for n in range(1 + (way == "twice"))]
    first, *others = [start(call, each) for each in logs]
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and first.poll() is None:
        time.sleep(0.01)
    told = way if way in ("SIGTERM", "SIGINT") else "SIGKILL"
    first.send_signal(getattr(signal, told))
    codes = [process.wait(LIMIT_SECONDS) for process in (first, *others)]
    if way == "damage":
        damage(call.output, draw)
    said = logs[0].read_text()
    if any(codes[1:]) or (codes[0] and others):
        return "done" if codes[1:] == [0] else f"codes {codes}: {logs[-1].read_text()[-800:]}"
    if codes[0] == 0:
        return "done"
    # Before it listens, Python's own handlers are there, and nothing was begun.
    early = seconds < LISTENS_SECONDS and (not said or said.rstrip().endswith("KeyboardInterrupt"))
    if told == "SIGKILL" or early:
        return "stopped"
    if codes[0] != GO_ON or not re.search(r"pinch \w+: stopped.*run again to go on\n$", said):
        return f"code {codes[0]}: {said[-800:]}"
    return "stopped"


def damage(folder: Path, draw: random.Random) -> None:
    """Flips a bit in the newest checkpoint, cuts it, or empties its folder."""
    steps = [path for path in folder.glob("runs/*/checkpoints/*") if path.name.isdigit()]
    if len(steps) < 2:  # the last one is not given back by anything
        return
    newest = max(steps, key=lambda path: int(path.name))
    files = [path for path in newest.rglob("*") if path.is_file() and path.stat().st_size]
    path = draw.choice(sorted(files))
    content = bytearray(path.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    if draw.random() < 0.3:
        content = content[: len(content) // 2]
    path.write_bytes(content)


def chaos(kills: int, seed: int) -> collections.Counter:
    """Returns how often each call was ended in which way; raises where something differs."""
    draw, counted, made = random.Random(seed), collections.Counter(), 0
    with tempfile.TemporaryDirectory() as directory, TranslationServer() as service:
        root = Path(directory).resolve()
        write_study(root)
        write_translated(root, service.url)
        log, peaceful, attempt = root / "log", {}, 0
        while counted.total() < kills:
            attempt += 1
            for number, call in enumerate(calls(root, root / f"chaos{attempt}")):
                if counted.total() >= kills:
                    break
                if call.name not in peaceful:
                    alone = calls(root, root / "peace")[number]
                    peaceful[call.name] = in_peace(alone, log), contents(alone.output)
                    assert peaceful[call.name][1]
                    if call.name == "corpus":
                        service.answered.clear()
                _to_the_end(call, *peaceful[call.name], counted, draw, log)
                made += call.name == "corpus"
        # What was on its way when a call was ended is paid for again, and nothing else is.
        ends = sum(count for (name, _), count in counted.items() if name == "corpus")
        texts = 2 * sum(count for *_, count in TRANSLATED.values())
        assert texts * made <= service.answered.total() <= texts * made + CONCURRENCY * ends
    return counted


def _to_the_end(
    call: Call,
    seconds: float,
    expected: dict[str, bytes],
    counted: collections.Counter,
    draw: random.Random,
    log: Path,
) -> None:
    call.output.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(draw.randint(2, 6)):
        way = draw.choice(WAYS[call.name])
        became = disturb(call, way, draw.uniform(0.3, seconds), log, draw)
        assert became in ("done", "stopped"), f"{call.name}, {way}: {became}"
        counted[call.name, way] += 1
        if became == "done" or (call.name == "convert" and call.output.exists()):
            break
    if call.name != "convert" or not call.output.exists():
        in_peace(call, log)
    found = contents(call.output)
    assert found.keys() == expected.keys(), found.keys() ^ expected.keys()
    differing = [name for name in expected if found[name] != expected[name]]
    assert not differing, (call.name, differing)


def main() -> None:
    """Prints what was survived."""
    kills, seed = (*map(int, sys.argv[1:]), *(100, 0)[len(sys.argv) - 1 :])
    counted = chaos(kills, seed)
    names = sorted({name for name, _ in counted})
    ways = WAYS["study"]
    print(f"{'':10}" + "".join(f"{way:>10}" for way in ways))
    for name in names:
        print(f"{name:10}" + "".join(f"{counted[name, way]:10}" for way in ways))
    print(f"{counted.total()} ends, and no byte differs")


if __name__ == "__main__":
    main()

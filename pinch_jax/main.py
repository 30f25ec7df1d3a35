"""The command `pinch`: flags and wiring only."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

CONFIG_HELP = "configuration file, such as ml_collections_configs/tiny.py"
_CONFIG = config_flags.DEFINE_config_file("config", None, CONFIG_HELP)
_WORKDIR = flags.DEFINE_string("workdir", None, "directory that holds all of a study")
_SHARD = flags.DEFINE_string("shard", "0/1", "i/n: do every n-th run, from the i-th")
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "say what would run and start nothing")
_STEPS = flags.DEFINE_string("steps", None, "a:b: only these steps")
_MODEL = flags.DEFINE_string("model", "tiny", "model directory, or `tiny`")
_PROMPTS = flags.DEFINE_string("prompts", None, "JSON lines with a `prompt`")
_SOURCE = flags.DEFINE_string(
    "source", None, "Hugging Face directory, GGUF file or model directory to read"
)
_TARGET = flags.DEFINE_string("target", None, "Hugging Face directory to write")
_OUTPUT = flags.DEFINE_string("output", None, "file or directory to write")
_BASELINE = flags.DEFINE_string("baseline", None, "responses, JSON lines")
_CANDIDATE = flags.DEFINE_string("candidate", None, "responses, JSON lines")
_JUDGE = flags.DEFINE_string("judge", "reference", "who judges: reference")
_COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "host:port of process 0; `auto` asks the cluster"
)
_PROCESSES = flags.DEFINE_integer("processes", None, "how many processes there are")
_PROCESS = flags.DEFINE_integer("process", None, "which of them this is, from 0")
_START_TIMEOUT = flags.DEFINE_integer("start_timeout_seconds", 300, "how long to wait for them")

PROCESS_FLAGS = ("coordinator", "processes", "process", "start_timeout_seconds")
COMMANDS: dict[str, tuple[Callable[[], None], tuple[str, ...]]] = {}

USAGE = """pinch COMMAND [--flag=value ...]

  study     all experiments of a config, from tuning sets to the report
  train     one run: the config's own mixture
  mixture   what each step of a mixture holds, one JSON object a line
  corpus    build the corpus of a config and say what is in it
  generate  a model's answers to prompts
  judge     verdicts on two files of responses, both orders
  report    the report of a study that has run
  tokenizer train the tokenizer of a base model on a config's corpus
  export    a finished run as a model directory in bfloat16
  convert   a model as a Hugging Face directory

  pinch study --config=ml_collections_configs/tiny.py --workdir=/tmp/pinch --dry_run
  pinch train --config=ml_collections_configs/tiny.py --workdir=/tmp/one \\
      --config.mixture.spec=pinch:10:en,fi,sw

Every field of a config can be set: --config.train.learning_rate=1e-3.
The flags of a command: pinch COMMAND --help.
"""


def _command(*names: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Enters a function as the command of its name, with the flags that it reads."""

    def enter(function):
        COMMANDS[function.__name__] = function, names
        return function

    return enter


def _help(command: str) -> str:
    described = [f"  --{name}: {flags.FLAGS[name].help}" for name in COMMANDS[command][1]]
    return "\n".join([f"pinch {command} [--flag=value ...]\n", *described])


def _config():
    from pinch_jax.config import from_config_dict

    config = _required(_CONFIG)
    if not isinstance(config, ConfigDict):  # ml_collections puts off this error
        path = config_flags.get_config_filename(flags.FLAGS["config"])
        raise FileNotFoundError(f"--config={path}: no such file")
    return from_config_dict(config)


def _required(flag):
    if flag.value is None:
        raise ValueError(f"--{flag.name} is missing: {flags.FLAGS[flag.name].help}")
    return flag.value


def _workdir() -> Path:
    return Path(_required(_WORKDIR)).expanduser()


def _shard() -> tuple[int, int]:
    try:
        index, count = map(int, _SHARD.value.split("/"))
    except ValueError:
        index, count = -1, 0
    if not 0 <= index < count:
        raise ValueError(f"--shard={_SHARD.value}: write i/n with 0 <= i < n, such as 0/4")
    return index, count


@_command("config", "workdir", "shard", "dry_run", *PROCESS_FLAGS)
def study() -> None:
    from pinch_jax.study.runner import describe, plan_study, run_study

    shard = _shard()
    planned = plan_study(_config(), _workdir())
    print(describe(planned), flush=True)
    if not _DRY_RUN.value and run_study(planned, shard):
        report()


@_command("workdir")
def report() -> None:
    from pinch_jax.mesh import is_primary
    from pinch_jax.report.page import write_report
    from pinch_jax.study.analysis import analyse

    if is_primary():
        print("The paper's findings, held against this study:")
        print(*analyse(_workdir()).findings, sep="\n")
        print(f"report: {write_report(_workdir())}")


@_command("config", "workdir", *PROCESS_FLAGS)
def train() -> None:
    from tqdm import tqdm

    from pinch_jax.mesh import is_primary
    from pinch_jax.study.run import answer, make_run, missing_responses, tuned_params
    from pinch_jax.study.workbench import Workbench
    from pinch_jax.study.workdir import claim_workdir

    config, workdir = _config(), _workdir()
    claim_workdir(config, workdir)
    bench = Workbench(config)
    run = make_run(bench, config.mixture.spec, workdir)
    with tqdm(
        total=run.steps, unit="step", desc=run.directory.name, disable=not is_primary()
    ) as bar:
        params = tuned_params(bench, run, bar.update)
    if missing := missing_responses(run, config.languages):
        answer(bench, run, params, missing)
    print(f"run: {run.directory}")


@_command("config", "steps")
def mixture() -> None:
    from pinch_jax.study.workbench import Workbench

    plan = Workbench(_config(), progress=False).plan()
    first, _, last = (_STEPS.value or ":").partition(":")
    for step in range(int(first or 0), min(int(last or plan.steps), plan.steps)):
        ids = [list(pair) for pair in plan.examples_at(step)]
        print(json.dumps({"step": step, **plan.counts_at(step), "ids": ids}, ensure_ascii=False))


@_command("config")
def corpus() -> None:
    from pinch_jax.study.workbench import Workbench

    bench = Workbench(_config())
    for code, examples in bench.corpus.train.items():
        tokenized = bench.tokenized.languages[code]
        print(
            f"{code}: {len(examples):,} examples to tune on, {len(bench.corpus.heldout[code]):,} "
            f"held out, {int(tokenized.lengths.sum()):,} tokens, "
            f"{int(tokenized.supervised_lengths.sum()):,} supervised"
        )


@_command("config", "model", "prompts", "output")
def generate() -> None:
    import dataclasses

    from pinch_jax.study.workbench import Workbench

    config = _config()
    source = dataclasses.replace(config.model, source=_MODEL.value)
    bench = Workbench(dataclasses.replace(config, model=source))
    lines = Path(_required(_PROMPTS)).read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    output = Path(_required(_OUTPUT))
    responses = bench.answers(bench.pretrained, [r["prompt"] for r in records], config.seed)
    with output.open("w", encoding="utf-8") as file:
        for record, response in zip(records, responses, strict=True):
            file.write(json.dumps(record | {"response": response}, ensure_ascii=False) + "\n")


@_command("judge", "baseline", "candidate", "output")
def judge() -> None:
    from pinch_jax.evaluate.judge import ReferenceJudge, judge_files
    from pinch_jax.evaluate.scores import score_verdicts

    if _JUDGE.value != "reference":
        raise ValueError(f"--judge={_JUDGE.value}: only `reference` is there so far")
    files = Path(_required(_BASELINE)), Path(_required(_CANDIDATE)), Path(_required(_OUTPUT))
    verdicts = judge_files(ReferenceJudge(), *files)
    print(
        f"score of the candidate: {score_verdicts(verdicts):.1f} % of {len(verdicts) // 2} prompts"
    )


@_command("config")
def tokenizer() -> None:
    from pinch_jax.study.base_model import train_base_tokenizer

    print(f"tokenizer: {train_base_tokenizer(_config())}")


@_command("config", "workdir", "output")
def export() -> None:
    from pinch_jax.study.base_model import export_base_model

    export_base_model(_config(), _workdir(), Path(_required(_OUTPUT)))


@_command("source", "target")
def convert() -> None:
    from pinch_jax.model.convert import convert as convert_model

    source, target = Path(_required(_SOURCE)).expanduser(), Path(_required(_TARGET)).expanduser()
    print(f"{convert_model(source, target)} became the Hugging Face directory {target}")


def main(argv: list[str] | None = None) -> None:
    """Runs a command; a fault in the input is one line, without a traceback."""
    argv = sys.argv if argv is None else argv
    if len(argv) < 2 or argv[1] not in COMMANDS:
        wanted_help = len(argv) < 2 or argv[1] in ("help", "--help", "-h")
        print(USAGE if wanted_help else f"pinch: no command {argv[1]!r}\n\n{USAGE}")
        raise SystemExit(0 if wanted_help else 2)
    command, names = COMMANDS[argv[1]]
    if {"--help", "-h"} & set(argv[2:]):
        print(_help(argv[1]))
        return

    def run(rest):
        if len(rest) > 1:
            raise app.UsageError(f"too many arguments: {rest[1:]}")
        own = {flag.name for flag in flags.FLAGS.get_flags_for_module("pinch_jax.main")}
        for name in own - set(names):
            if flags.FLAGS[name].present:
                raise app.UsageError(f"--{name} is no flag of this command\n\n{_help(argv[1])}")
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # libraries narrate at INFO
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        from pinch_jax.processes import end_processes, start_processes

        try:
            start_processes(
                _COORDINATOR.value, _PROCESSES.value, _PROCESS.value, _START_TIMEOUT.value
            )
            command()
            end_processes()
        except (ValueError, FileNotFoundError, TimeoutError) as error:
            if flags.FLAGS.verbosity > 0:
                raise
            raise SystemExit(f"pinch {argv[1]}: {error}") from None
        except KeyboardInterrupt as stopped:
            raise SystemExit(f"\npinch {argv[1]}: {stopped or 'stopped'}") from None

    def parse(arguments):
        try:
            return app.parse_flags_with_usage(arguments)
        except (AttributeError, KeyError, TypeError, OSError) as error:
            # What ml_collections raises on --config: a field, type or file that is not there.
            told = " ".join(str(error).replace("\\n", " ").replace("\\", "").strip("\"'").split())
            raise SystemExit(f"pinch {argv[1]}: --config: {told}") from None

    app.run(run, argv=[f"pinch {argv[1]}", *argv[2:]], flags_parser=parse)


if __name__ == "__main__":
    main()

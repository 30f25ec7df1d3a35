"""What `pinch` can do: each command with the flags that it reads, and nothing but wiring.

The docstrings are what `pinch --help` prints.
"""

import shlex
from collections.abc import Callable
from pathlib import Path

from absl import flags
from ml_collections import ConfigDict, config_flags

CONFIG_HELP = "configuration file, such as ml_collections_configs/tiny.py"
_CONFIG = config_flags.DEFINE_config_file("config", None, CONFIG_HELP)
_WORKDIR = flags.DEFINE_string("workdir", None, "directory that holds all of a study")
_SHARD = flags.DEFINE_string("shard", "0/1", "i/n: do every n-th run, from the i-th")
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "say what would run and start nothing")
_AGAINST = config_flags.DEFINE_config_file(
    "against", None, "a second configuration file: say what differs, example by example"
)
_TABLE = flags.DEFINE_bool("table", False, "tables for a person in the place of JSON lines")
_PLOT = flags.DEFINE_string("plot", None, "file to draw the mixture into, such as mixture.png")
_STEPS = flags.DEFINE_string("steps", None, "a:b: only these steps")
_MODEL = flags.DEFINE_string(
    "model", None, "what config.model.source can be, which it is unless told; a run's `model` too"
)
_PROMPTS = flags.DEFINE_string("prompts", None, "JSON lines with a `prompt`")
_SOURCE = flags.DEFINE_string(
    "source", None, "Hugging Face, Orbax or model directory, or GGUF file, to read"
)
_TARGET = flags.DEFINE_string("target", None, "directory to write")
_FORMAT = flags.DEFINE_string(
    "format", "huggingface", "what --target is: huggingface, orbax, or model (a directory of ours)"
)
_OUTPUT = flags.DEFINE_string("output", None, "file or directory to write")
_BASELINE = flags.DEFINE_string("baseline", None, "responses, JSON lines")
_CANDIDATE = flags.DEFINE_string("candidate", None, "responses, JSON lines")
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "where corpora are kept, as config.corpus.data_dir"
)
_MARKDOWN = flags.DEFINE_string(
    "markdown", None, "file to write the report into as Markdown too, with its figures beside it"
)
_ANSWERS = flags.DEFINE_string(
    "answers",
    None,
    "folder that `pinch publish` wrote: a study takes over what its runs have answered there",
)
_YES = flags.DEFINE_bool("yes", False, "begin a translation that is paid for")
_REPORT = flags.DEFINE_bool("report", False, "tokens and words per language, and what was dropped")
_TEXTS = flags.DEFINE_string(
    "texts",
    None,
    "of corpus: files such as texts/{language}.txt, for --tokenizer; of score: JSON lines with a "
    "`text` or with `ids`",
)
_TOKENIZER = flags.DEFINE_list("tokenizer", None, "tokenizer.json or .model files, by commas")
_JUDGE = flags.DEFINE_string("judge", "reference", "who judges: reference")
_COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "host:port of process 0; `auto` asks the cluster"
)
_PROCESSES = flags.DEFINE_integer("processes", None, "how many processes there are")
_PROCESS = flags.DEFINE_integer("process", None, "which of them this is, from 0")
_START_TIMEOUT = flags.DEFINE_integer("start_timeout_seconds", 300, "how long to wait for them")

PROCESS_FLAGS = ("coordinator", "processes", "process", "start_timeout_seconds")
COMMANDS: dict[str, tuple[Callable[[], None], tuple[str, ...]]] = {}


def _command(*names: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Enters a function as the command of its name, with the flags that it reads."""

    def enter(function):
        COMMANDS[function.__name__] = function, names
        return function

    return enter


def _config(flag=_CONFIG):
    from pinch_jax.config import from_config_dict

    config = _required(flag)
    if not isinstance(config, ConfigDict):  # ml_collections puts off this error
        path = config_flags.get_config_filename(flags.FLAGS[flag.name])
        raise FileNotFoundError(f"--{flag.name}={path}: no such file")
    return from_config_dict(config)


def _required(flag):
    if flag.value is None:
        raise ValueError(f"--{flag.name} is missing: {flags.FLAGS[flag.name].help}")
    return flag.value


def _workdir() -> Path:
    workdir = _required(_WORKDIR)
    if "://" in workdir:
        raise ValueError(f"--workdir={workdir}: must be a folder that every process can reach")
    return Path(workdir).expanduser()


def _typed() -> str:
    """Returns the command of a study with its configuration, as one would type it again.

    Where something is kept is no part of it; a file of ours is named as anyone has it.
    """
    flag = flags.FLAGS["config"]
    values = config_flags.get_override_values(flag)
    fields = [f"--config.{name}={v}" for name, v in values.items() if name != "corpus.data_dir"]
    file = Path(config_flags.get_config_filename(flag))
    if file.parent.name == "ml_collections_configs":
        file = Path(file.parent.name, file.name)
    words = ["pinch", "study", f"--config={file}", *fields]
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    # Names in a tuple have single quotes, each of which shlex would write as '"'"'.
    plain_inside = "'" in word and not set(word) & set('"$`\\!')
    return f'"{word}"' if plain_inside else shlex.quote(word)


def _shard() -> tuple[int, int]:
    try:
        index, count = map(int, _SHARD.value.split("/"))
    except ValueError:
        index, count = -1, 0
    if not 0 <= index < count:
        raise ValueError(f"--shard={_SHARD.value}: write i/n with 0 <= i < n, such as 0/4")
    return index, count


def _steps(count: int) -> range:
    first, _, last = (_STEPS.value or ":").partition(":")
    try:
        return range(int(first or 0), min(int(last or count), count))
    except ValueError:
        raise ValueError(f"--steps={_STEPS.value}: write a:b, such as 0:3") from None


@_command("config", "workdir", "shard", "dry_run", "answers", *PROCESS_FLAGS)
def study() -> None:
    """All experiments of a config, from tuning sets to the report."""
    from pinch_jax.mesh import is_primary
    from pinch_jax.study.published import adopt_answers
    from pinch_jax.study.runner import describe, plan_study, run_study
    from pinch_jax.study.workdir import write_command

    shard = _shard()
    planned = plan_study(_config(), _workdir())
    if is_primary():
        write_command(_workdir(), _typed())
    print(describe(planned), flush=True)
    if _ANSWERS.value and not _DRY_RUN.value:
        for name in adopt_answers(planned, Path(_ANSWERS.value)):
            print(f"answers taken over: {name}", flush=True)
    if not _DRY_RUN.value and run_study(planned, shard):
        report()


@_command("config", "workdir", *PROCESS_FLAGS)
def train() -> None:
    """One run: the config's own mixture."""
    from tqdm import tqdm

    from pinch_jax.mesh import is_primary
    from pinch_jax.study.run import (
        answer,
        make_run,
        missing_responses,
        response_bar,
        tuned_params,
    )
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
        with response_bar(bench, missing, disable=not is_primary()) as bar:
            answer(bench, run, params, missing, bar.update)
    print(f"run: {run.directory}")


@_command("config", "against", "steps", "table", "plot")
def mixture() -> None:
    """What each step of a mixture holds, as JSON lines, tables or a picture."""
    from pinch_jax.report.mixture_diff import diff_lines, diff_table
    from pinch_jax.report.mixture_plot import plot_mixture
    from pinch_jax.report.mixture_table import mixture_lines, mixture_table
    from pinch_jax.study.workbench import Workbench

    if _AGAINST.value is not None and _PLOT.value:
        raise ValueError(f"--plot={_PLOT.value} draws one mixture; leave out --against")
    config = _config()
    plan = Workbench(config, progress=False).plan()
    if _PLOT.value:
        plot_mixture(plan, Path(_PLOT.value), str(config.mixture.spec))
    if _AGAINST.value is not None:
        against = Workbench(_config(_AGAINST), progress=False).plan()
        steps = _steps(max(plan.steps, against.steps)) if _STEPS.value else None
        tell = diff_table if _TABLE.value else diff_lines
        lines = tell(plan, against, steps)
    elif _PLOT.value and not _TABLE.value:
        lines = [f"plot: {_PLOT.value}"]
    else:
        tell = mixture_table if _TABLE.value else mixture_lines
        lines = tell(plan, _steps(plan.steps))
    for line in lines:
        print(line)


@_command("config", "data_dir", "yes", "dry_run", "report", "texts", "tokenizer")
def corpus() -> None:
    """Build the corpus of a config and say what is in it."""
    import dataclasses

    from pinch_jax.report import corpus_report, fertility_table

    if _TEXTS.value:
        print(fertility_table.fertility_tables(_TEXTS.value, _required(_TOKENIZER)))
        return
    config = _config()
    if _DATA_DIR.value:
        kept = dataclasses.replace(config.corpus, data_dir=_DATA_DIR.value)
        config = dataclasses.replace(config, corpus=kept)
    if _DRY_RUN.value:
        corpus_report.say_costs(config, print)
        return
    built = corpus_report.build_corpus(config, _YES.value, print)
    if _REPORT.value:
        corpus_report.say_report(config, *built, _TOKENIZER.value or (), print)


@_command("config", "model", "prompts", "output")
def generate() -> None:
    """A model's answers: to prompts of yours, or to the first held-out ones of the config."""
    from pinch_jax.study.generating import generate_answers, heldout_prompts, read_prompts

    config, output = _config(), Path(_OUTPUT.value) if _OUTPUT.value else None
    prompts = read_prompts(Path(_PROMPTS.value)) if _PROMPTS.value else heldout_prompts(config)
    for record in generate_answers(config, _MODEL.value, prompts, output):
        if not output:
            response = record["response"].strip().replace("\n", "\n    ")
            print(f"{record['prompt']}\n    {response}\n")


@_command("model", "texts", "output")
def score() -> None:
    """The log-probability of each id of texts, given those before it."""
    from pinch_jax.study.scoring import score_file

    texts, output = Path(_required(_TEXTS)), Path(_required(_OUTPUT))
    count = score_file(_required(_MODEL), texts, output)
    print(f"scores of {count} texts: {output}")


@_command("judge", "baseline", "candidate", "output")
def judge() -> None:
    """Verdicts on two files of responses, both orders."""
    from pinch_jax.evaluate.judge import ReferenceJudge, judge_files
    from pinch_jax.evaluate.scores import score_verdicts

    if _JUDGE.value != "reference":
        raise ValueError(f"--judge={_JUDGE.value}: only `reference` is there so far")
    files = Path(_required(_BASELINE)), Path(_required(_CANDIDATE)), Path(_required(_OUTPUT))
    verdicts = judge_files(ReferenceJudge(), *files)
    print(
        f"score of the candidate: {score_verdicts(verdicts):.1f} % of {len(verdicts) // 2} prompts"
    )


@_command("workdir", "markdown")
def report() -> None:
    """The report of a study that has run."""
    from pinch_jax.mesh import is_primary
    from pinch_jax.report.markdown import write_markdown
    from pinch_jax.report.page import write_report
    from pinch_jax.study.analysis import analyse

    workdir = _workdir()
    if is_primary():
        print("The paper's findings, held against this study:")
        print(*analyse(workdir).findings, sep="\n")
        print(f"report: {write_report(workdir)}")
        if _MARKDOWN.value:
            print(f"Markdown: {write_markdown(workdir, Path(_MARKDOWN.value))}")


@_command("workdir", "output")
def publish() -> None:
    """A study's answers without their prompts: to show, and to go on from elsewhere."""
    from pinch_jax.study.published import publish_answers

    output = Path(_required(_OUTPUT))
    for name in publish_answers(_workdir(), output):
        print(f"answers: {output / name}")


@_command("config")
def tokenizer() -> None:
    """Train the tokenizer of a base model on a config's corpus."""
    from pinch_jax.study.base_model import train_base_tokenizer

    print(f"tokenizer: {train_base_tokenizer(_config())}")


@_command("config", "workdir", "output")
def export() -> None:
    """A finished run as a model directory in bfloat16."""
    from pinch_jax.study.base_model import export_base_model

    export_base_model(_config(), _workdir(), Path(_required(_OUTPUT)))


@_command("source", "target", "format")
def convert() -> None:
    """A model in another format."""
    from pinch_jax.model.convert import FORMATS
    from pinch_jax.model.convert import convert as convert_model

    source, target = Path(_required(_SOURCE)).expanduser(), Path(_required(_TARGET)).expanduser()
    was = convert_model(source, target, _FORMAT.value)
    print(f"{was} became the {FORMATS[_FORMAT.value]} {target}")

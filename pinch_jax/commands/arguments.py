"""What the commands of `pinch` are told: the flags, and what is made of them."""

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import flags
from absl.flags import FLAGS
from ml_collections import ConfigDict, config_flags

import ml_collections_configs
from pinch_jax.errors import UserError
from pinch_jax.storage.buckets import as_path, in_bucket


class Commands(dict[str, tuple[Callable[[], None], tuple[str, ...]]]):
    """Commands by their names, each with the flags that it reads."""

    def command(self, *names: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
        """Enters a function as the command of its name, with the flags that it reads."""

        def enter(function):
            self[function.__name__] = function, names
            return function

        return enter


CONFIGS = Path(ml_collections_configs.__file__).parent
CONFIG_NAMES = sorted(file.stem for file in CONFIGS.glob("[!_]*.py"))


def config_path(named: str) -> str:
    """Returns the file of --config=NAME[:ARGUMENT] where NAME is a config of ours, with ARGUMENT.

    Pages call it ml_collections_configs/NAME.py: the same outside of a checkout. Anything else is a
    file already.
    """
    path, colon, argument = named.partition(":")
    name = path.removeprefix(f"{CONFIGS.name}/").removesuffix(".py") if "/" in path else path
    known = name in CONFIG_NAMES and not Path(path).is_file()
    return f"{CONFIGS / name}.py{colon}{argument}" if known else named


class _ConfigParser(config_flags.config_flags.ConfigFileFlagParser):
    def parse(self, path: str) -> Any:
        file = config_path(path)
        if path and not Path(file.partition(":")[0]).is_file():
            raise ValueError("no such file, nor a config that `pinch list` names")
        return super().parse(file)


CONFIG_FLAGS = {
    "config": "a name of `pinch list`, such as tiny or gemma3:270m, or a configuration file",
    "against": "a second configuration: say what differs, example by example",
}
for _name, _what in CONFIG_FLAGS.items():
    config_flags.DEFINE_config_file(_name, None, _what)
    FLAGS[_name].parser = _ConfigParser(_name)
_TEXTS = {
    "workdir": "directory that holds all of a study",
    "plot": "file to draw the mixture into, such as mixture.png",
    "steps": "a:b: only these steps",
    "profile": "a:b: a profiler trace of these steps of the first run that trains",
    "model": "a model, as config.model.source names one; a run's `model` too. Unless told, of "
    "generate that of the config, and of judge and certify that of config.judges.NAME",
    "prompts": "JSON lines with a `prompt`",
    "source": "the model to read, as config.model.source names it",
    "target": "directory to write; of convert: hub:ORG/NAME too, a new repository of the hub",
    "output": "file or directory to write",
    "baseline": "responses, JSON lines",
    "candidate": "responses, JSON lines",
    "data_dir": "where corpora are kept, as config.corpus.data_dir",
    "markdown": "file to write the report into as Markdown too, with its figures beside it",
    "answers": "of study: a folder that `pinch publish` wrote, whose answers are taken over; of "
    "confusion: answers, as the benchmark's CSV (.gz too) or as JSON lines",
    "words": "English words, one a line (.gz too), such as /usr/share/dict/words",
    "texts": "of corpus: files such as texts/{language}.txt, for --tokenizer; of score: JSON lines "
    "with a `text` or with `ids`",
    "annotations": "files that a page of `pinch annotate` gave, by commas",
    "pairs": "pairs with a known better response: a file of JSON lines, oasst:PATH (?depth=any for "
    "later turns too), or corpus, the config's held-out examples, which it is unless told",
    "topology": "chips to plan for: v5e:4x4, v5p:4x4x4 or v6e:8x8, with *N behind it for N slices; "
    "gpu:8xH100, with *N for N hosts",
    "coordinator": "host:port of process 0; `auto` asks the cluster",
}
for _name, _what in _TEXTS.items():
    flags.DEFINE_string(_name, None, _what)
flags.DEFINE_string("shell", "bash", "bash, zsh, fish, tcsh or powershell")
flags.DEFINE_integer(
    "jobs",
    1,
    "so many runs are made at once on a CPU, each on its share of the cores, at most one a core; "
    "0: as many as there are cores, up to 4, and one on other devices",
    0,
)
flags.DEFINE_string("shard", "0/1", "i/n: do every n-th run, from the i-th, which is 0 to n-1")
flags.DEFINE_string(
    "format", "huggingface", "what --target is: huggingface, orbax, or model (a directory of ours)"
)
flags.DEFINE_multi_string(
    "beside", None, "work directory of another study, whose curves stand beside; several times"
)
flags.DEFINE_multi_string(
    "sweep",
    None,
    "mixtures of your own in the place of the paper's experiments: pinch:0,1,2,5, or whole ones "
    "with ; between them; @pretrained or @SPEC behind them is what they are held against",
)
flags.DEFINE_list(
    "tokenizer", None, "tokenizers, by commas: a tokenizer.json, .model or .gguf, or its folder"
)
flags.DEFINE_list(
    "program",
    None,
    "train, decode, judge, by commas; all that the config's study needs unless told",
)
flags.DEFINE_float("price", 0.0, "of a chip for an hour, in the currency of the bill", 0)
flags.DEFINE_bool("json", False, "JSON for a program in the place of lines for a person")
flags.DEFINE_bool("dry_run", False, "say what would run and start nothing")
flags.DEFINE_bool("table", False, "tables for a person in the place of JSON lines")
flags.DEFINE_bool("yes", False, "begin what is paid for")
flags.DEFINE_bool("report", False, "words and tokens of each language, and its share of tokens")
flags.DEFINE_string(
    "judge",
    "reference",
    "who judges: a name of config.judges, such as reference, model or api; or people",
)
flags.DEFINE_integer("sample", 0, "so many prompts of each language, drawn; 0: all", 0)
flags.DEFINE_integer("processes", None, "how many processes there are")
flags.DEFINE_integer("process", None, "which of them this is, from 0")
flags.DEFINE_integer("start_timeout", 300, "seconds to wait at the start for all to come", 1)

PROCESS_FLAGS = ("coordinator", "processes", "process", "start_timeout")


def read_config(name: str = "config", default: bool = False):
    """Returns the configuration of a file with the fields that were set, checked.

    What is of the hub has its commit: that of the study in --workdir, else that of today. With
    `default` it is that of base.py where no file is named.
    """
    from pinch_jax.config import from_config_dict

    if default and FLAGS[name].value is None:
        from ml_collections_configs import base

        return from_config_dict(base.get_config())
    config = required(name)
    if not isinstance(config, ConfigDict):  # ml_collections puts off this error
        path = config_flags.get_config_filename(FLAGS[name])
        made = f"returns {type(config).__name__}, no ConfigDict"
        try:
            getattr(config, "seed", None)  # raises what reading the file did
        except OSError as error:
            made = f"raises {error}"
        raise UserError(f"--{name}={path}: its get_config {made}; correct it")
    from pinch_jax.study.pins import pinned

    workdir = FLAGS.workdir and as_path(FLAGS.workdir, "--workdir")
    made = pinned(from_config_dict(config), workdir)
    if not FLAGS.sweep:
        return made
    from pinch_jax.study.experiments.sweep import with_sweeps

    return with_sweeps(made, FLAGS.sweep)


def required(name: str) -> Any:
    """Returns the value of a flag, and raises UserError if it was not given or is empty."""
    if FLAGS[name].value in (None, "", []):
        raise UserError(f"--{name} is missing: {FLAGS[name].help}")
    return FLAGS[name].value


def input_path(name: str) -> Path:
    """Returns what a flag names and is there; else raises UserError."""
    path = as_path(required(name), f"--{name}")
    if not path.exists():
        raise UserError(f"--{name}={path}: no such file or folder")
    return path


def annotation_paths(output: Path) -> list[Path]:
    """Returns the files of --annotations; UserError where one is not there, or is the output."""
    paths = [as_path(path.strip(), "--annotations") for path in required("annotations").split(",")]
    for path in paths:
        if not path.is_file():
            raise UserError(f"--annotations={path}: no such file")
        if path.resolve() == output.resolve():
            raise UserError(f"--output={path} is of --annotations too, and would be lost")
    return paths


def output_path(name: str, folder: bool = False) -> Path:
    """Returns what a flag names, as far as it can be told that it can be written.

    Raises:
        UserError: the flag is missing; a folder is in the place of a file or the reverse; it, or
            the folder that it would be in, may not be written; it is what the command reads.
    """
    path = as_path(required(name), f"--{name}")
    for read in ("prompts", "texts", "baseline", "candidate", "answers", "words", "pairs"):
        given = FLAGS[read].value
        if given and _is_same(as_path(given), path):
            raise UserError(f"--{name}={path} is --{read} too, and would be lost; name another")
    if path.exists() and path.is_dir() != folder:
        there, wanted = ("a file", "folder") if folder else ("a folder", "file")
        raise UserError(f"--{name}={path}: there is {there} of that name; name a {wanted}")
    if in_bucket(path):
        return path
    there = next(p for p in (path, *path.absolute().parents) if p.exists())
    if there.is_file() and there != path:
        raise UserError(f"--{name}={path}: {there} is a file; name another folder")
    if not os.access(there, os.W_OK):
        raise UserError(f"--{name}={path}: {there} may not be written; name another place")
    return path


def _is_same(first: Path, second: Path) -> bool:
    """Returns whether two paths are of one file, also on a disk that knows no case of names."""
    if in_bucket(first) or in_bucket(second) or not (first.exists() and second.exists()):
        return first.resolve() == second.resolve()
    return first.samefile(second)


def read_workdir() -> Path:
    """Returns the work directory; raises UserError if it is missing or not writable."""
    return output_path("workdir", folder=True)


def typed_command() -> str:
    """Returns the command of a study with its configuration, as one would type it again.

    Where something is kept is no part of it; a file of ours has the name that it has everywhere.
    """
    flag = FLAGS["config"]
    values = config_flags.get_override_values(flag)
    fields = [f"--config.{name}={v}" for name, v in values.items() if name != "corpus.data_dir"]
    file = config_path(config_flags.get_config_filename(flag))
    if Path(file).resolve().parent == CONFIGS.resolve():
        file = Path(file).name.replace(".py", "", 1)
    sweeps = [f"--sweep={line}" for line in FLAGS.sweep or ()]
    words = ["pinch", "study", f"--config={file}", *fields, *sweeps]
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    # Names in a tuple have single quotes, each of which shlex would write as '"'"'.
    plain_inside = "'" in word and not set(word) & set('"$`\\!')
    return f'"{word}"' if plain_inside else shlex.quote(word)


def read_jobs() -> int:
    """Returns how many runs are made at once; UserError beside flags that need one at a time."""
    for name in ("profile", *PROCESS_FLAGS):
        if FLAGS.jobs != 1 and FLAGS[name].present:
            raise UserError(
                f"--jobs={FLAGS.jobs}: with --{name} runs are made one at a time; leave one out"
            )
    return FLAGS.jobs


def read_shard() -> tuple[int, int]:
    """Returns (index, count), and raises UserError if --shard is not i/n."""
    try:
        index, count = map(int, FLAGS.shard.split("/"))
    except ValueError:
        index, count = -1, 0
    if not 0 <= index < count:
        raise UserError(f"--shard={FLAGS.shard}: write i/n with 0 <= i < n, such as 0/4")
    return index, count


def read_steps(count: int, name: str = "steps") -> range:
    """Returns which of so many steps a flag asks for, by default all."""
    first, colon, last = (FLAGS[name].value or ":").partition(":")
    try:
        steps = range(int(first or 0), int(last or count))
    except ValueError:
        steps = range(0)
    if not (colon and 0 <= steps.start < steps.stop <= count):
        raise UserError(
            f"--{name}={FLAGS[name].value}: write a:b with 0 <= a < b <= {count}, a run's steps"
        )
    return steps

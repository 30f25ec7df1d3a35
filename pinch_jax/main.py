"""The command `pinch`: from the arguments to one of its commands, faults in one line."""

import difflib
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import NoReturn

from absl import app, flags, logging

from pinch_jax.commands import arguments
from pinch_jax.commands.about import COMMANDS
from pinch_jax.commands.arguments import PROCESS_FLAGS, required
from pinch_jax.errors import ADVICE, UserError, is_of_input
from pinch_jax.hosts.stops import FAULT, GO_ON, ignore, listen

USAGE = """pinch COMMAND [--flag=value ...]

{commands}

  pinch study --config=tiny --workdir=/tmp/pinch --dry_run
  pinch train --config=tiny --workdir=/tmp/one --config.mixture.spec=pinch:10:en,fi,sw

A config is a name of `pinch list` or a file. Every field of it can be set:
--config.train.learning_rate=1e-3.
The flags of a command: pinch COMMAND --help. The version and commit: pinch --version.
""".format(commands="\n".join(f"  {name:11}{f.__doc__}" for name, (f, _) in COMMANDS.items()))


def _help(command: str) -> str:
    function, names = COMMANDS[command]
    described = [f"  --{name}: {flags.FLAGS[name].help}" for name in names]
    return "\n".join([f"pinch {command} [--flag=value ...]\n\n{function.__doc__}\n", *described])


def _told(error: Exception) -> str:
    """Returns a fault in one line."""
    if isinstance(error, OSError) and (error.filename or is_of_input(error)):
        advice = ADVICE.get(error.errno, "look at it")
        return f"{error.filename or 'the output'}: {error.strerror or error}; {advice}"
    return str(error)


def _told_of_config(given: list[str], error: Exception) -> str:
    """Returns what is wrong with --config, its fields or its file, in one line."""
    from ml_collections_configs import base

    fields = [re.match(r"--(config|against)\.([^=]+)=", argument) for argument in given]
    known = base.get_config()
    for flag, path in (match.groups() for match in fields if match):
        table, *names = known, *path.split(".")
        for name in names:
            if not hasattr(table, "keys"):  # of a decoder, which base.py leaves open
                if isinstance(error, KeyError) and name in str(error):
                    where = "DecoderConfig" if path.startswith("model.decoder.") else "base.py"
                    return f"--{flag}.{path}: there is no field {name!r}; {where} has them all"
                break
            if name not in table:
                near = difflib.get_close_matches(name, table.keys(), 1)
                hint = f"did you mean {near[0]!r}?" if near else "base.py has them all"
                return f"--{flag}.{path}: there is no field {name!r}; {hint}"
            table = table[name]
    told = " ".join(str(error).replace("\\n", " ").replace("\\", "").strip("\"'").split())
    flag = "against" if any(a.startswith("--against") for a in given) else "config"
    kind = "" if isinstance(error, OSError | TypeError) else f"{type(error).__name__}: "
    return f"--{flag}: {kind}{told}"


def _told_of_flag(error: flags.Error) -> str:
    """Returns what is wrong with a flag; for a fault in a config file, which line of it raised."""
    flag, parted, trace = str(error).partition(": Error whilst parsing config file:")
    if not parted:
        # Its fields are flags once there is a config.
        lacks = flag.startswith("Unknown command line flag 'config.")
        return f"{flag}; give --config too" if lacks else flag
    _, _, block = trace.rpartition("Traceback (most recent call last):")
    said = re.search(r"^\S.*", block, re.MULTILINE | re.DOTALL)
    frames = re.findall(r'File "(.+)", line (\d+)', block)
    places = [f"{file}:{line}: " for file, line in frames if "site-packages" not in file]
    told = " ".join(said[0].split()) if said else ""
    return f"{flag}: {places[-1] if places else ''}{told}"


def main(argv: list[str] | None = None) -> None:
    """Runs a command; a fault in the input is one line, without a traceback."""
    if sys.stdout is None:  # it was closed before the call
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    # Nothing is left to be written at the exit; and whatever a locale can say, data and names are
    # those of files, also where these are no text.
    sys.stdout.reconfigure(line_buffering=True, encoding="utf-8", errors="surrogateescape")
    try:
        _run_command(sys.argv if argv is None else argv)
    except BrokenPipeError:  # whoever read the output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _refuse(what: str) -> NoReturn:
    """Ends a call that cannot be understood."""
    print(what, file=sys.stderr)
    raise SystemExit(2)


def _run_with_others(command: Callable[[], None], names: Iterable[str]) -> None:
    from pinch_jax.hosts.processes import end_processes, start_processes
    from pinch_jax.hosts.waiting import check_alike

    start_processes(*(flags.FLAGS[name].value for name in PROCESS_FLAGS))
    # Of two shards they would train one model. The config is compared field by field.
    alike = [name for name in names if name not in (*PROCESS_FLAGS, "config", "workdir")]
    check_alike({f"--{name}": str(flags.FLAGS[name].value) for name in alike})
    command()
    end_processes()


def _run_command(argv: list[str]) -> None:
    if sys.flags.optimize > 1:
        _refuse(
            "pinch: python -OO (PYTHONOPTIMIZE=2) leaves out docstrings, and what draws the page "
            "ends without its own, as does this help; leave it out, or use -O"
        )
    if argv[1:2] == ["--version"]:
        from pinch_jax.version import code_version

        print(f"pinch_jax {code_version()}")
        return
    if len(argv) < 2 or argv[1] not in COMMANDS:
        if len(argv) < 2 or argv[1] in ("help", "--help", "-h"):
            print(USAGE)
            raise SystemExit(0)
        near = difflib.get_close_matches(argv[1], COMMANDS, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        _refuse(f"pinch: no command {argv[1]!r}; {hint}`pinch --help` names them all")
    command, names = COMMANDS[argv[1]]
    if {"--help", "-h"} & set(argv[2:]):
        print(_help(argv[1]))
        return

    def run(rest):
        if len(rest) > 1:
            _refuse(f"pinch {argv[1]}: {rest[1]!r} is no flag; write --flag=value")
        own = {flag.name for flag in flags.FLAGS.get_flags_for_module(arguments.__name__)}
        for name in own - set(names):
            if flags.FLAGS[name].present:
                _refuse(
                    f"pinch {argv[1]}: --{name} is no flag of this command; see "
                    f"`pinch {argv[1]} --help`"
                )
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # libraries narrate at INFO
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        alone = not any(flags.FLAGS[name].present for name in PROCESS_FLAGS)
        try:
            listen()
            for name in names:
                if flags.FLAGS[name].default is None and flags.FLAGS[name].value in ("", []):
                    required(name)
            if alone:
                command()
            else:
                _run_with_others(command, names)
            ignore(signal.SIGTERM, signal.SIGINT)
        except KeyboardInterrupt as stopped:
            ignore(signal.SIGTERM)
            said = str(stopped) or "stopped; run again to go on"
            print(f"\npinch {argv[1]}: {said}", file=sys.stderr)
            if not alone:
                from pinch_jax.hosts.processes import leave

                leave(GO_ON)
            sys.stdout.flush()
            sys.stderr.flush()
            # At once: a compilation under way would end the process by a signal of its own.
            os._exit(GO_ON)
        except Exception as error:
            of_input, is_told = is_of_input(error), flags.FLAGS.verbosity <= 0
            # Alone, whatever the system says of a file is one of what was asked for.
            names_file = isinstance(error, OSError) and bool(error.filename)
            is_told &= (
                of_input or isinstance(error, UserError | TimeoutError) or (alone and names_file)
            )
            told = f"pinch {argv[1]}: {_told(error)}"
            if alone or of_input:
                if is_told:
                    raise SystemExit(told) from None
                raise
            # It may be that of a network, or of another process: the same call may go on.
            print(told if is_told else traceback.format_exc().rstrip(), file=sys.stderr)
            from pinch_jax.hosts.processes import leave

            leave(FAULT)
            raise SystemExit(FAULT) from None

    def parse(given):
        try:
            return flags.FLAGS(given)
        except flags.Error as error:
            _refuse(f"pinch {argv[1]}: {_told_of_flag(error)}; see `pinch {argv[1]} --help`")
        except Exception as error:
            # What ml_collections raises on --config, or whatever the file does: it is code.
            if "--verbosity=1" in given:
                raise
            raise SystemExit(f"pinch {argv[1]}: {_told_of_config(given, error)}") from None

    app.run(run, argv=[f"pinch {argv[1]}", *argv[2:]], flags_parser=parse)


if __name__ == "__main__":
    main()

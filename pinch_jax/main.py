"""The command `pinch`: from the arguments to one of its commands, faults in one line."""

import os
import sys

from absl import app, flags, logging

from pinch_jax.arguments import PROCESS_FLAGS
from pinch_jax.commands import COMMANDS

USAGE = """pinch COMMAND [--flag=value ...]

{commands}

  pinch study --config=ml_collections_configs/tiny.py --workdir=/tmp/pinch --dry_run
  pinch train --config=ml_collections_configs/tiny.py --workdir=/tmp/one \\
      --config.mixture.spec=pinch:10:en,fi,sw

Every field of a config can be set: --config.train.learning_rate=1e-3.
The flags of a command: pinch COMMAND --help.
""".format(commands="\n".join(f"  {name:10}{f.__doc__}" for name, (f, _) in COMMANDS.items()))


def _help(command: str) -> str:
    function, names = COMMANDS[command]
    described = [f"  --{name}: {flags.FLAGS[name].help}" for name in names]
    return "\n".join([f"pinch {command} [--flag=value ...]\n\n{function.__doc__}\n", *described])


def main(argv: list[str] | None = None) -> None:
    """Runs a command; a fault in the input is one line, without a traceback."""
    sys.stdout.reconfigure(line_buffering=True)  # nothing is left to be written at the exit
    try:
        _run_command(sys.argv if argv is None else argv)
    except BrokenPipeError:  # whoever read the output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run_command(argv: list[str]) -> None:
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
        own = {flag.name for flag in flags.FLAGS.get_flags_for_module("pinch_jax.arguments")}
        for name in own - set(names):
            if flags.FLAGS[name].present:
                raise app.UsageError(f"--{name} is no flag of this command\n\n{_help(argv[1])}")
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # libraries narrate at INFO
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        from pinch_jax.processes import end_processes, start_processes

        try:
            start_processes(*(flags.FLAGS[name].value for name in PROCESS_FLAGS))
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
            flag = "against" if any(a.startswith("--against") for a in arguments) else "config"
            raise SystemExit(f"pinch {argv[1]}: --{flag}: {told}") from None

    app.run(run, argv=[f"pinch {argv[1]}", *argv[2:]], flags_parser=parse)


if __name__ == "__main__":
    main()

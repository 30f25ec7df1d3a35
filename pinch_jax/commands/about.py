"""What `pinch` can say of devices that are not there, and of itself; COMMANDS has all commands.

The docstrings are what `pinch --help` prints.
"""

import argparse
import importlib
import inspect

from absl.flags import FLAGS

from pinch_jax.commands import judges, studies
from pinch_jax.commands.arguments import CONFIG_FLAGS, CONFIG_NAMES, Commands, read_config, required
from pinch_jax.config_fields import choose

# All of them, in the order in which `pinch --help` has them.
COMMANDS = Commands(studies.COMMANDS | judges.COMMANDS)


@COMMANDS.command("config", "sweep", "topology", "program", "price", "json")
def plan() -> None:
    """What a study needs on TPUs or GPUs that are not there: memory, time and money."""
    from pinch_jax.forecast.chips import devices_of, parse_topology, prepare_environment

    topology, config = parse_topology(required("topology")), read_config()
    for name in FLAGS.program or ():
        choose("--program", name, ("train", "decode", "judge"))
    prepare_environment()
    devices = devices_of(topology)

    import json

    from pinch_jax.forecast.planning import make_plan
    from pinch_jax.forecast.telling import plan_lines

    planned = make_plan(config, topology, devices, FLAGS.program or (), FLAGS.price)
    print(json.dumps(planned, indent=1) if FLAGS.json else "\n".join(plan_lines(planned, topology)))


@COMMANDS.command()
def list() -> None:
    """The experiments, readers, model families, judges and configs that there are."""
    from ml_collections_configs import base
    from pinch_jax.corpus.reading import readers
    from pinch_jax.judge.config import KINDS
    from pinch_jax.model.architectures import FAMILIES
    from pinch_jax.study.config import BUILT_IN
    from pinch_jax.study.experiments.registry import experiment

    def told(section, known):
        print(section, *(f"  {name:18} {what}" for name, what in known), sep="\n")

    told("experiments", ((name, experiment(name).words.title) for name in BUILT_IN))
    print("readers", inspect.cleandoc(readers.__doc__).split("\n\n")[1], sep="\n")
    told("model families", ((family.model_type, family.architecture) for family in FAMILIES))
    told("judges", ((name, KINDS[j.kind]) for name, j in base.get_config().judges.items()))
    modules = [importlib.import_module(f"ml_collections_configs.{name}") for name in CONFIG_NAMES]
    arguments = (getattr(m, "SIZES", getattr(m, "STUDIES", ())) for m in modules)
    heads = (m.__doc__.partition("\n")[0] for m in modules)
    lines = ((head, *known) for head, known in zip(heads, arguments, strict=True))
    told("configs", zip(CONFIG_NAMES, map(" ".join, lines), strict=True))


@COMMANDS.command("shell")
def completion() -> None:
    """A script for a shell that completes commands, flags and the fields of a config."""
    import shtab

    from ml_collections_configs import base
    from pinch_jax.study.workdir import flat

    choose("--shell", shell := FLAGS.shell, shtab.SUPPORTED_SHELLS)
    configs = shtab.cmd(f"printf '%s\\n' {' '.join(CONFIG_NAMES)}; ls *.py 2>/dev/null")
    parser = argparse.ArgumentParser("pinch")
    parser.add_argument("--version", action="store_true")
    commands = parser.add_subparsers()
    for name, (function, takes) in COMMANDS.items():
        command = commands.add_parser(name, help=function.__doc__)
        for flag in (FLAGS[taken] for taken in takes):
            kind, is_config = "store_true" if flag.boolean else "store", flag.name in CONFIG_FLAGS
            option = command.add_argument(f"--{flag.name}", action=kind, help=flag.help)
            option.complete = configs if is_config else shtab.FILE
            for field in flat(base.get_config().to_dict()) if is_config else ():
                command.add_argument(f"--{flag.name}.{field}")
    print(shtab.complete(parser, shell))
    if shell == "bash":  # files also behind the = of a flag
        print("complete -o default -o bashdefault -F _shtab_pinch pinch")

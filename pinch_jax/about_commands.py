"""What `pinch` can say of itself.

The docstrings are what `pinch --help` prints.
"""

from absl import flags
from absl.flags import FLAGS

from pinch_jax.arguments import Commands
from pinch_jax.config_fields import choose

COMMANDS = Commands()
# For bash --flag=value is three words, of which shtab expects the first and the last.
_BASH_WITH_EQUALS = """_pinch() {
  local word words=()
  for word in "${COMP_WORDS[@]}"; do [[ $word == "=" ]] || words+=("$word"); done
  [[ ${COMP_WORDS[-1]} != "=" ]] || words+=("")
  COMP_WORDS=("${words[@]}") COMP_CWORD=$((${#words[@]} - 1))
  _shtab_pinch
}
complete -o filenames -F _pinch pinch"""


@COMMANDS.command()
def list() -> None:
    """The experiments, readers, model families, judges and configs that there are."""
    from pinch_jax.inventory import inventory

    for kind, known in inventory().items():
        width = max(map(len, known))
        print(f"{kind}", *(f"  {name:{width}}  {what}" for name, what in known.items()), sep="\n")


@COMMANDS.command("shell")
def completion() -> None:
    """A script for a shell that completes commands, flags and the fields of a config."""
    import argparse

    import shtab

    from pinch_jax import main
    from pinch_jax.inventory import config_names, field_names

    choose("--shell", FLAGS.shell, shtab.SUPPORTED_SHELLS)
    parser = argparse.ArgumentParser("pinch")
    parser.add_argument("--version", action="store_true")
    commands, fields, words = parser.add_subparsers(), field_names(), " ".join(config_names())
    configs = dict.fromkeys(("bash", "zsh"), "_pinch_config")
    configs["fish"] = f"(string split ' ' '{words}'; __fish_complete_path (commandline -ct))"
    for name, (function, names) in main.COMMANDS.items():
        told = commands.add_parser(name, help=function.__doc__)
        for flag in map(flags.FLAGS.__getitem__, names):
            kind = "store_true" if flag.boolean else "store"
            option = told.add_argument(f"--{flag.name}", action=kind, help=flag.help)
            option.complete = shtab.FILE
            if flag.name in ("config", "against"):
                option.complete = shtab.FILE | configs
                for field in fields:
                    told.add_argument(f"--{flag.name}.{field}")
    own = {
        "bash": f'_pinch_config() {{ compgen -W "{words}" -- "$1"; compgen -f -- "$1"; }}',
        "zsh": f"_pinch_config() {{ _alternative 'names:config:({words})' 'files:file:_files' }}",
    }
    print(shtab.complete(parser, FLAGS.shell, preamble=own))
    if FLAGS.shell == "bash":
        print(_BASH_WITH_EQUALS)

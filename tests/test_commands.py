"""The command line: what it prints, and faults in one line."""

import pytest
from absl import flags

from pinch_jax.main import COMMANDS, USAGE, main


def end_of(*arguments, capsys):
    """What a command that fails leaves behind: its last words."""
    with pytest.raises(SystemExit) as end:
        main(["pinch", *arguments])
    flags.FLAGS.unparse_flags()
    assert end.value.code
    return str(end.value.code) + "".join(capsys.readouterr())


def test_help_names_every_command_and_each_of_its_flags(capsys):
    for name, (_, names) in COMMANDS.items():
        assert f"\n  {name} " in USAGE
        main(["pinch", name, "--help"])
        told = capsys.readouterr().out
        for flag in names:
            assert f"\n  --{flag}: {flags.FLAGS[flag].help}" in told


def test_faults_of_the_command_line_are_told_in_one_line(capsys):
    assert "pinch: no command 'studdy'" in end_of("studdy", capsys=capsys)
    assert "--workdir is missing" in end_of("report", capsys=capsys)
    told = end_of("report", "--workdir=gs://bucket/study", capsys=capsys)
    assert told == "pinch report: --workdir=gs://bucket/study: must be a folder that every " + (
        "process can reach"
    )
    assert "--prompts is no flag of this command" in end_of("report", "--prompts=x", capsys=capsys)

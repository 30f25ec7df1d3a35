"""The command line: what it prints, and faults in one line."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from absl import flags

import ml_collections_configs
from pinch_jax.commands.arguments import CONFIG_NAMES, config_path, typed_command
from pinch_jax.corpus.reading.readers import READERS
from pinch_jax.main import COMMANDS, USAGE, main
from pinch_jax.model.architectures import FAMILIES
from pinch_jax.study.config import BUILT_IN


def end_of(*arguments, capsys):
    """What a command that fails leaves behind: its last words."""
    with pytest.raises(SystemExit) as end:
        main(["pinch", *arguments])
    flags.FLAGS.unparse_flags()
    assert end.value.code
    return str(end.value.code) + "".join(capsys.readouterr())


def told_by(*arguments, capsys):
    """What a command prints."""
    with pytest.raises(SystemExit) as end:
        main(["pinch", *arguments])
    assert not end.value.code
    return capsys.readouterr().out


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
    told = end_of("report", "--workdir=az://bucket/study", capsys=capsys)
    assert (
        told
        == "pinch report: --workdir=az://bucket/study: a bucket is gs:// or s3://; name "
        + ("one, or a folder")
    )
    assert "--prompts is no flag of this command" in end_of("report", "--prompts=x", capsys=capsys)


@pytest.mark.filterwarnings("ignore:the load_module")  # of ml_collections
@pytest.mark.parametrize("command", ["study", "train", "plan"])
def test_a_sweep_is_read_wherever_a_study_is_meant(command, tmp_path, monkeypatch, capsys):
    where = "--topology=v5e:2x2" if command == "plan" else f"--workdir={tmp_path}/none"
    arguments = [command, "--config=tiny", where, "--sweep=pinch:1"]
    monkeypatch.setattr(sys, "argv", ["pinch", *arguments])
    assert "--sweep=pinch:1: name two mixtures or more" in end_of(*arguments, capsys=capsys)


def test_a_reader_that_goes_away_is_no_fault():
    command = [sys.executable, "-m", "pinch_jax.main", "study", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has")
def test_an_output_that_is_closed_or_full_is_no_fault_of_ours(tmp_path):
    text = '{"id": "1", "language": "en", "prompt": "a?", "response": "a", '
    (tmp_path / "a.jsonl").write_text(text + '"reference": "a", "task": "", "answer": ""}\n')
    answers = f"--baseline={tmp_path}/a.jsonl --candidate={tmp_path}/a.jsonl"
    call = f"{sys.executable} -m pinch_jax.main judge {answers} --output={tmp_path}/v.jsonl"
    run = subprocess.run(f"{call} >&-", shell=True, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    run = subprocess.run(f"{call} >/dev/full", shell=True, capture_output=True, text=True)
    told = "pinch judge: the output: No space left on device; make room, and run again to go on"
    assert (run.returncode, run.stderr.splitlines()[-1]) == (1, told)


def test_a_call_without_docstrings_is_refused_before_it_has_trained():
    """What draws the page has none to read then, and ended a study after its last verdict."""
    command = [sys.executable, "-OO", "-m", "pinch_jax.main", "study", "--config=tiny"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 2 and "PYTHONOPTIMIZE=2" in run.stderr, run.stderr


def test_what_is_printed_is_utf_8_and_the_bytes_of_a_path_whatever_the_locale_can_say():
    """A path is printed when all is done, and lines of JSON are read by others."""
    code = """
from pinch_jax import main
main.COMMANDS["list"] = (lambda: print("\\u4e2d \\udcff")), ()
main.main(["pinch", "list"])
"""
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
        capture_output=True,
    )
    assert (run.returncode, run.stdout) == (0, b"\xe4\xb8\xad \xff\n"), run.stderr


@pytest.mark.filterwarnings("ignore:the load_module")  # of ml_collections
def test_a_study_keeps_what_was_typed_but_not_where_it_is_kept(tmp_path, monkeypatch, capsys):
    config = Path(ml_collections_configs.__file__).with_name("tiny.py")
    fields = ["--config.languages=('en','fi')", "--config.study.experiments=('monolingual',)"]
    fields += ["--config.mixture.examples=24"]
    places = [f"--config.corpus.data_dir={tmp_path}/corpora", f"--workdir={tmp_path}/study"]
    command = ["pinch", "study", f"--config={config}", *fields, *places, "--dry_run"]
    # The fields of a config are read from there.
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code and "2 distinct tuning sets" in capsys.readouterr().out
    assert not (tmp_path / "study").exists()  # a dry run leaves nothing
    typed = typed_command()
    assert "\"--config.study.experiments=('monolingual',)\"" in typed
    kept = shlex.split(typed)
    assert kept[:3] == ["pinch", "study", "--config=tiny"]
    assert [field.replace(", ", ",") for field in kept[3:]] == fields


def test_list_has_a_line_for_everything_that_is_registered(capsys):
    told = told_by("list", capsys=capsys)
    named = set(re.findall(r"^ *(\w+)(?::[A-Z]\S*)? ", told, re.MULTILINE))
    named |= set(re.findall(r", (\w+):[A-Z]", told))
    families = (family.model_type for family in FAMILIES)
    assert {*BUILT_IN, *READERS, *families, "reference", "model", "api", *CONFIG_NAMES} <= named
    assert re.search(r"\n  gemma3 .* 270m 1b 4b 12b 27b\n", told)


def test_bash_completes_commands_flags_fields_and_configs(tmp_path, capsys):
    (tmp_path / "mine.py").touch()
    call = '\nCOMP_WORDS=("$@") COMP_CWORD=$(($# - 1))\n_shtab_pinch\necho "${COMPREPLY[@]}"'
    (tmp_path / "script").write_text(told_by("completion", capsys=capsys) + call)
    for words, completed in (
        ("conf", "confusion"),
        ("study --work", "--workdir"),
        ("study --config tiny_", "tiny_base"),
        ("train --config mi", "mine.py"),
        ("train --config.mixture.sp", "--config.mixture.spec"),
    ):
        command = ["bash", "script", "pinch", *words.split()]
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert (run.stdout.strip(), run.stderr) == (completed, "")


def test_a_config_of_ours_has_one_name_everywhere_and_a_file_of_yours_comes_first(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    ours = str(Path(ml_collections_configs.__file__).with_name("gemma3.py"))
    for named in ("gemma3", "ml_collections_configs/gemma3.py", ours):
        assert config_path(f"{named}:4b,v5e-16,/models/x:y") == f"{ours}:4b,v5e-16,/models/x:y"
    assert (config_path("gemma3.py"), config_path("no")) == ("gemma3.py", "no")
    (tmp_path / "ml_collections_configs").mkdir()
    (tmp_path / "ml_collections_configs/gemma3.py").touch()
    assert config_path("ml_collections_configs/gemma3.py") == "ml_collections_configs/gemma3.py"

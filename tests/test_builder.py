"""The TensorFlow datasets: what they hold and say, their versions, and `tfds build`."""

import dataclasses
import json
import subprocess
import sys

import pytest
import tensorflow_datasets as tfds
from own_corpus import LANGUAGES, built, config, ids, write_sources

from pinch_jax.corpus.assemble import assemble
from pinch_jax.corpus.builder import CldrInstructions, ParallelInstructions
from pinch_jax.corpus.cldr import examples as cldr
from pinch_jax.corpus.manifest import SPLITS, read_manifest, split_path
from pinch_jax.corpus.sources import load_corpus
from pinch_jax.errors import UserError


def build(c, *codes):
    """Builds the files of these languages from a corpus that is assembled."""
    tfds.disable_progress_bar()
    for code in codes:
        builder = ParallelInstructions(
            config=code, data_dir=c.directory, file_format="array_record"
        )
        builder.download_and_prepare()


def _metadata(c, code):
    paths = (c.directory / "parallel_instructions" / code).glob("*/metadata.json")
    return [path.read_text(encoding="utf-8") for path in paths]


def test_the_dataset_says_what_it_is_and_equals_the_files(tmp_path):
    write_sources(tmp_path)
    c = config(tmp_path)
    corpus = built(c)
    build(c, "fi")
    manifest = read_manifest(c.directory)
    lines = split_path(c.directory, "train", "fi").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        dataclasses.asdict(example) for example in corpus.train["fi"]
    ]
    builder = tfds.builder_from_directory(
        next((c.directory / "parallel_instructions" / "fi").glob("1.*"))
    )
    plain = {bytes: bytes.decode, bool: bool}
    assert [
        {name: plain[type(value)](value) for name, value in record.items()}
        for record in builder.as_data_source("train")
    ] == [dataclasses.asdict(example) for example in corpus.train["fi"]]
    assert builder.info.citation == "@misc{me}" and "CC0" in str(builder.info.redistribution_info)
    metadata = json.loads(_metadata(c, "fi")[0])
    assert metadata["ids"] == {s: ids(getattr(corpus, s)["fi"]) for s in SPLITS}
    assert metadata["sha256"] == {s: manifest.languages["fi"][s].sha256 for s in SPLITS}
    assert {
        path.name.split(".")[1].split("-")[0] for path in builder.data_path.glob("*array*")
    } == {"array_record"}


def test_a_file_that_was_changed_by_hand_is_not_taken(tmp_path):
    write_sources(tmp_path)
    c = config(tmp_path)
    assemble(c, LANGUAGES, progress=False, confirmed=False)
    path = split_path(c.directory, "train", "fi")
    path.write_text(path.read_text(encoding="utf-8").replace("fi 0", "fi 9"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"fi\.jsonl was changed after it was built"):
        load_corpus(c, LANGUAGES, progress=False)


def test_tfds_builds_it_from_the_command_line_without_tensorflow(tmp_path):
    write_sources(tmp_path)
    c = config(tmp_path)
    assemble(c, LANGUAGES, progress=False, confirmed=False)
    command = [sys.executable, "-m", "pinch_jax.corpus", "parallel_instructions/sw"]
    done = subprocess.run(
        [*command, f"--data_dir={c.directory}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(_metadata(c, "sw")) == 1
    with pytest.raises(ValueError, match=r"no language 'et' in the corpus 'mine'; .*'fi', 'sw'\]"):
        ParallelInstructions(config="et", data_dir=c.directory)
    with pytest.raises(UserError, match=r"no manifest\.json there; let `pinch corpus`"):
        ParallelInstructions(config="sw", data_dir=tmp_path)


def test_another_content_is_another_version(tmp_path, monkeypatch):
    write_sources(tmp_path)
    c = config(tmp_path)
    built(c)
    build(c, "fi")
    write_sources(tmp_path, train=range(5))
    built(c)
    build(c, "fi")
    assert len(_metadata(c, "fi")) == 2
    before = CldrInstructions(config="sw", data_dir=tmp_path).version
    assert before == CldrInstructions(config="sw", data_dir=tmp_path).version
    shorter = {
        "train": cldr.train_examples,
        "heldout": lambda code: cldr.heldout_examples(code)[1:],
    }
    monkeypatch.setitem(cldr.CONTENT, "cldr_instructions", shorter)
    assert CldrInstructions(config="sw", data_dir=tmp_path).version != before

"""Models and data sets of the hub: as from a folder, at one commit, and back again."""

import dataclasses
import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import jax
import numpy as np
import own_corpus
import pyarrow
import pyarrow.parquet
import pytest
from absl import flags
from full_disk import files_of_at_most
from hub_server import Hub, files_below, running_hub
from huggingface_hub import constants
from small import FAMILIES, random_params
from small_tokenizers import write_bundled
from test_source import VOCABULARY, bench_of

from pinch_jax.commands.arguments import read_config
from pinch_jax.corpus.reading.readers import read_source
from pinch_jax.corpus.reading.source import parse_source
from pinch_jax.errors import OutOfReach, UserError
from pinch_jax.main import main
from pinch_jax.model.config_json import write_config
from pinch_jax.model.directory import save_model
from pinch_jax.model.export import export_model
from pinch_jax.model.source import open_model
from pinch_jax.study.pins import pinned
from pinch_jax.study.run import make_run, note_code
from pinch_jax.study.workdir import check_workdir, claim_workdir
from pinch_jax.text.tokenizer import load_tokenizer

CARD = b"---\nlicense: gemma\n---\n# Theirs\n"
# What other libraries need, or what holds the same weights again.
NOT_NEEDED = (
    "pytorch_model.bin",
    "model.gguf",
    "original/model.safetensors",
    "consolidated.safetensors",
)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """A Hugging Face directory with random weights and the bundled tokens."""
    return written(tmp_path_factory.mktemp("theirs"), 0)


def written(root, seed):
    decoder = dataclasses.replace(FAMILIES["llama"], vocab_size=VOCABULARY)
    root.mkdir(exist_ok=True)
    write_bundled(root)
    params = random_params(decoder, seed)
    tokenizer = load_tokenizer(root)
    export_model(root / "model", write_config(decoder), params, tokenizer=tokenizer)
    return root / "model"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub that the library speaks to, with an empty cache and nobody logged in."""
    with running_hub() as server:
        set_to = {
            "ENDPOINT": server.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": server.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(tmp_path / "cache"),
            "HF_TOKEN_PATH": str(tmp_path / "token"),
            "HF_STORED_TOKENS_PATH": str(tmp_path / "tokens"),
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_OFFLINE": False,
        }
        for name, value in set_to.items():
            monkeypatch.setattr(constants, name, value)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.chdir(tmp_path)
        yield server
        huggingface_hub.close_session()


def fetched(hub):
    return {path.rpartition("/resolve/")[2] for method, path in hub.asked if method == "GET"}


def test_a_model_of_the_hub_is_that_of_its_folder_and_no_more_is_fetched(hub, theirs):
    unwanted = dict.fromkeys(NOT_NEEDED, b"not to be read")
    commit = hub.repo("org/base").commit(files_below(theirs) | {"README.md": CARD} | unwanted)
    model, expected = open_model("org/base"), open_model(theirs)
    assert model.weights.checksum == expected.weights.checksum
    assert model.decoder == expected.decoder and model.details == expected.details
    assert model.renderer.described == expected.renderer.described
    assert model.tokenizer.checksum == expected.tokenizer.checksum
    ours, folder = (jax.tree.leaves(m.weights.load()) for m in (model, expected))
    assert all(map(np.array_equal, ours, folder))
    assert model.path == f"org/base@{commit}"
    names = {*files_below(theirs), "README.md"}
    assert {f for f in fetched(hub) if f.startswith(commit)} == {f"{commit}/{n}" for n in names}
    hub.asked.clear()
    open_model(model.path)
    assert hub.asked == []  # a commit in the cache needs no network


def test_a_model_that_the_cache_has_no_room_for_is_fetched_whole_once_it_has(hub, theirs):
    hub.repo("org/base").commit(files_below(theirs))
    largest = max(len(content) for content in files_below(theirs).values())
    with files_of_at_most(largest - 1), pytest.raises(OSError, match=r"cache") as raised:
        open_model("org/base").weights.load()
    assert raised.value.errno == errno.EFBIG
    assert open_model("org/base").weights.checksum == open_model(theirs).weights.checksum


def test_a_folder_comes_before_a_repository_of_its_name(hub, theirs, tmp_path):
    hub.repo("org/base").commit({"config.json": b"not read"})
    Path("org").mkdir()
    os.symlink(theirs, "org/base")
    model = open_model("org/base")
    assert model.weights.checksum == open_model(theirs).weights.checksum
    assert model.path == str(tmp_path / "org/base")
    config = bench_of(theirs, tmp_path).config
    typed = dataclasses.replace(config, model=dataclasses.replace(config.model, source="org/base"))
    assert pinned(typed, None) == typed
    assert hub.asked == []


@pytest.mark.filterwarnings("ignore:the load_module")  # ml_collections
def test_a_study_that_goes_on_keeps_its_commit_when_the_branch_moves(
    hub, theirs, tmp_path, monkeypatch
):
    repo = hub.repo("org/base")
    first = repo.commit(files_below(theirs))
    config = bench_of(theirs, tmp_path).config
    typed = dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, source="org/base"),
        judges=config.judges
        | {
            "model": dataclasses.replace(config.judges["model"], model="org/base@main"),
            # What a service calls it, which is no name of the hub.
            "api": dataclasses.replace(config.judges["api"], model="org/base"),
        },
    )
    begun, workdir = pinned(typed, tmp_path / "study"), tmp_path / "study"
    assert begun.model.source == begun.judges["model"].model == f"org/base@main:{first}"
    assert begun.judges["api"].model == "org/base"
    claim_workdir(begun, workdir)
    weights = open_model(begun.model.source).weights.checksum
    second = repo.commit(files_below(written(tmp_path / "other", 1)))
    assert pinned(typed, None).model.source == f"org/base@main:{second}"
    hub.asked.clear()
    again = pinned(typed, workdir)
    check_workdir(again, workdir)
    assert again == begun and open_model(again.model.source).weights.checksum == weights
    assert hub.asked == []
    command = ["pinch", "--config=tiny", "--config.model.source=org/base", f"--workdir={workdir}"]
    monkeypatch.setattr(sys, "argv", command)  # of which ml_collections takes the fields
    flags.FLAGS(command)
    assert read_config().model.source == begun.model.source
    repo.branches["v2"] = second
    on_v2 = dataclasses.replace(typed.model, source="org/base@v2")
    with pytest.raises(UserError, match=r"another study: config\.model\.source"):
        check_workdir(pinned(dataclasses.replace(typed, model=on_v2), workdir), workdir)


def test_the_tokenizer_of_a_model_from_nothing_stays_at_its_commit_too(hub, theirs, tmp_path):
    repo, config = hub.repo("org/base"), bench_of(theirs, tmp_path).config
    first = repo.commit(files_below(theirs))
    nothing = {"source": "", "tokenizer": "org/base", "decoder": FAMILIES["llama"]}
    typed = dataclasses.replace(config, model=dataclasses.replace(config.model, **nothing))
    begun, workdir = pinned(typed, tmp_path / "study"), tmp_path / "study"
    assert begun.model.tokenizer == f"org/base@main:{first}"
    claim_workdir(begun, workdir)
    repo.commit({"README.md": CARD})
    assert pinned(typed, workdir) == begun != pinned(typed, None)


def test_who_may_not_read_a_model_is_told_the_way_out(hub, theirs, monkeypatch):
    hub.repo("org/gated").commit(files_below(theirs))
    hub.repo("org/gated").gated = True
    with pytest.raises(UserError, match=f"gated: accept its terms at {hub.url}/org/gated, .*login"):
        open_model("org/gated")
    monkeypatch.setenv("HF_TOKEN", Hub.TOKEN)
    assert open_model("org/gated").weights.checksum == open_model(theirs).weights.checksum
    with pytest.raises(UserError, match=r"--model='org/none': .*no folder has that name\) is not"):
        open_model("org/none", field="--model")
    with pytest.raises(UserError, match="no revision 'v9'"):
        open_model("org/gated@v9")


def test_without_a_network_the_cache_is_read_if_it_is_whole(hub, theirs, monkeypatch, tmp_path):
    hub.repo("org/base").commit(files_below(theirs))
    weights = open_model("org/base").weights.checksum
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert open_model("org/base").weights.checksum == weights
    with pytest.raises(UserError, match="HF_HUB_OFFLINE forbids"):
        open_model("org/other")
    # Somebody has loaded a file of it; the template would be missing, and nobody would know.
    next((tmp_path / "cache").rglob("tokenizer*")).unlink()
    with pytest.raises(UserError, match="not whole in the cache"):
        open_model("org/base")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(OutOfReach, match=r"not reached at http://127.0.0.1:9; check the network"):
        open_model("org/other")


@pytest.mark.parametrize(("status", "error"), [(400, UserError), (429, OutOfReach)])
def test_what_the_hub_says_no_to_is_no_network_s_fault(hub, status, error):
    hub.repo("org/base").commit({"config.json": b"{}"})
    hub.repo("org/base").fails = status
    with pytest.raises(UserError, match=f"not reached at {hub.url}") as raised:
        open_model("org/base")
    assert type(raised.value) is error


def test_the_variables_of_the_hub_s_library_count(hub, tmp_path):
    commit = hub.repo("org/base").commit({"config.json": b"{}"})
    code = (
        "from pinch_jax.storage.hub import Repository; it = Repository('org/base').pinned(); "
        "print(it.fetch(it.names()))"
    )
    env = os.environ | {"HF_HOME": str(tmp_path / "home"), "HF_ENDPOINT": hub.url}
    env["PYTHONPATH"] = str(Path(__file__).parent.parent)

    def call(**more):
        run = [sys.executable, "-c", code]
        return subprocess.run(run, env=env | more, capture_output=True, text=True, check=False)

    offline = call(HF_HUB_OFFLINE="1")
    assert "UserError" in offline.stderr and "HF_HUB_OFFLINE forbids" in offline.stderr
    folder = f"{tmp_path}/home/hub/models--org--base/snapshots/{commit}\n"
    assert call().stdout == call(HF_HUB_OFFLINE="1").stdout == folder


def parquet(records):
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), file)
    return file.getvalue()


def lines(records):
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def turns(*names):
    return [{"id": name, "prompt": f"What is {name}?", "response": name} for name in names]


def ids(source, language="en"):
    return [example.id for example in read_source(parse_source(source), language)]


def test_splits_and_configs_of_a_data_set_are_those_of_its_card_or_of_its_names(hub):
    hub.repo("org/named", "datasets").commit(
        {
            "data/train-00000-of-00002.parquet": parquet(turns("a", "b")),
            "data/train-00001-of-00002.parquet": parquet(turns("c")),
            "data/test-00000-of-00001.parquet": parquet(turns("d")),
            "data/train_raw-00000-of-00001.parquet": parquet(turns("g")),
            "extra/fi.jsonl": lines(turns("e")),
            "extra/iw.jsonl": lines(turns("f")),
            "dataset_infos.json": b"{}",
        }
    )
    assert ids("hub:org/named?split=train") == ["a", "b", "c"]
    assert ids("hub:org/named?split=train_raw") == ["g"]
    assert ids("hub:org/named?split=test&config=data") == ["d"]
    assert ids("jsonl:hub:org/named/extra/{language}.jsonl", "he") == ["f"]
    assert ids("hub:org/named/data/train-*.parquet") == ["a", "b", "c"]
    for unclear in ("hub:org/named", "hub:org/named?split=dev", "hub:org/named/*.parquet"):
        with pytest.raises(UserError, match="no such file; name one behind it: data/test-0"):
            ids(unclear)
    card = b"""---
configs:
- config_name: aya
  default: true
  data_files:
  - {split: train, path: "*.jsonl"}
  - {split: test, path: ["held/*.jsonl"]}
- {config_name: fi, data_files: "fi/**/*.jsonl"}
---
"""
    hub.repo("org/carded", "datasets").commit(
        {
            "README.md": card,
            "one.jsonl": lines(turns("a")),
            "two.jsonl": lines(turns("b")),
            "held/train.jsonl": lines(turns("c")),
            "fi/deep/x.jsonl": lines(turns("d")),
        }
    )
    assert ids("hub:org/carded?split=train") == ["a", "b"]  # `*` is no folder
    assert ids("hub:org/carded?split=test") == ["c"]
    assert ids("hub:org/carded?config={language}", "fi") == ["d"]
    with pytest.raises(UserError, match=r"which split\? Write one as \?split=...: train, test"):
        ids("hub:org/carded")
    with pytest.raises(UserError, match=r"'org/none' \(dataset of the hub\) is not there"):
        ids("hub:org/none?split=train")


def test_a_corpus_of_the_hub_is_that_of_its_commit(hub, tmp_path):
    repo = hub.repo("org/data", "datasets")
    files = {
        f"{code}/{split}.jsonl": lines(
            {"id": f"{split}-{n}", "prompt": own_corpus.prompt(code, n), "response": f"{code} {n}"}
            for n in numbers
        )
        for code in own_corpus.LANGUAGES
        for split, numbers in (("train", range(6)), ("test", range(8, 11)))
    }
    first = repo.commit(files)
    typed = own_corpus.whole_config(
        tmp_path,
        train=("hub:org/data?split=train&config={language}",),
        heldout=("hub:org/data/{language}/test.jsonl",),
    )
    workdir = tmp_path / "study"
    config = pinned(typed, workdir)
    revision = f"revision=main:{first}"
    assert config.corpus.train == (f"hub:org/data?split=train&config={{language}}&{revision}",)
    assert config.corpus.heldout == (f"hub:org/data/{{language}}/test.jsonl?{revision}",)
    claim_workdir(config, workdir)
    corpus = own_corpus.built(config.corpus)
    own_corpus.write_sources(tmp_path)
    folder = own_corpus.built(own_corpus.config(tmp_path, name="folder"))
    assert own_corpus.ids(corpus.train["fi"]) == own_corpus.ids(folder.train["fi"])
    repo.commit({"en/train.jsonl": b"moved"})
    hub.asked.clear()
    again = own_corpus.built(pinned(typed, workdir).corpus)
    assert again.checksums == corpus.checksums and hub.asked == []
    with pytest.raises(UserError, match=r"its heldout was .*main:"):
        own_corpus.load_corpus(pinned(typed, None).corpus, own_corpus.LANGUAGES, False)


def test_a_branch_that_moves_meanwhile_is_one_commit_in_all_of_a_study(hub, tmp_path):
    class Moving(dict):
        def get(self, branch, default=None):
            commit = super().get(branch, default)
            self["main"] = second
            return commit

    repo = hub.repo("org/data", "datasets")
    first, second = repo.commit({"README.md": CARD}), repo.commit({"a": b""}, "next")
    repo.branches = Moving(repo.branches)
    train, heldout = (f"hub:org/data?split={split}&config={{language}}" for split in ("a", "b"))
    typed = own_corpus.whole_config(tmp_path, train=(train,), heldout=(heldout,))
    config = pinned(typed, tmp_path / "study")
    sources = config.corpus.train + config.corpus.heldout
    assert sources == tuple(f"{one}&revision=main:{first}" for one in (train, heldout))
    claim_workdir(config, tmp_path / "study")
    assert pinned(typed, tmp_path / "study") == config


@pytest.mark.filterwarnings("ignore:the load_module")  # ml_collections
@pytest.mark.filterwarnings("ignore:Use 'content=")  # huggingface_hub without Xet
def test_a_tuned_model_goes_to_the_hub_with_its_card_and_comes_back(
    hub, theirs, tmp_path, monkeypatch, capsys
):
    commit = hub.repo("org/base").commit(files_below(theirs) | {"README.md": CARD})
    workdir = tmp_path / "study"
    bench = bench_of(f"org/base@main:{commit}", tmp_path)
    claim_workdir(bench.config, workdir)
    run = make_run(bench, "pinch:30", workdir)
    run.directory.mkdir(parents=True)
    note_code(run)
    model = run.directory / "model"
    save_model(model, bench.model, bench.model.weights.stored())
    command = ["pinch", "convert", f"--source={model}", "--target=hub:me/tuned"]
    with pytest.raises(SystemExit, match=r"hf auth login"):
        main(command)
    assert ("models", "me/tuned") not in hub.repos
    monkeypatch.setenv("HF_TOKEN", Hub.TOKEN)
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code is None, capsys.readouterr()
    repo = hub.repos["models", "me/tuned"]
    assert repo.private
    assert f"private until you make it public: {hub.url}/me/tuned" in capsys.readouterr().out
    back = open_model("me/tuned")
    for ours, expected in zip(
        jax.tree.leaves(back.weights.load()),
        jax.tree.leaves(bench.model.weights.load()),
        strict=True,
    ):
        assert np.array_equal(ours, expected)
    card = repo.commits[repo.branches["main"]]["README.md"].decode()
    data = huggingface_hub.ModelCard(card).data
    assert (data.base_model, data.license, data.language) == ("org/base", "gemma", ["en", "fi"])
    counts = ", ".join(f"{code} {count}" for code, count in run.plan.budgets.items())
    for told in (f"`pinch:30`, draw 0; examples: {counts}", commit, "all weights", "gemma\n"):
        assert told in card
    assert str(tmp_path) not in card
    with pytest.raises(SystemExit, match="me/tuned has files already"):
        main(command)
    hub.repo("me/open").commit({".gitattributes": b""})
    with pytest.raises(SystemExit, match="me/open is there already, and public"):
        main([*command[:-1], "--target=hub:me/open"])

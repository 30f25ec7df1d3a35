"""A corpus of one's own: parallel, without leaks, built once, and never paid for unasked."""

import dataclasses
import json
from pathlib import Path

import pytest
from own_corpus import LANGUAGES, built, config, ids, prompt, write, write_sources

from pinch_jax.corpus import assemble as assembling
from pinch_jax.corpus.assemble import assemble
from pinch_jax.corpus.manifest import MANIFEST, SPLITS, read_manifest, split_path
from pinch_jax.corpus.reading.readers import read_source
from pinch_jax.corpus.reading.source import parse_source
from pinch_jax.corpus.sources import load_corpus
from pinch_jax.corpus.standing import outdated
from pinch_jax.errors import UserError
from pinch_jax.storage.files import CHECKSUM, write_record


def test_what_one_language_lacks_is_in_none_and_the_manifest_says_so(tmp_path):
    write_sources(tmp_path)
    path = tmp_path / "train" / "fi.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    sw_lines = path.with_name("sw.jsonl").read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([lines[5], lines[0], *lines[3:5]]), encoding="utf-8")
    path.with_name("sw.jsonl").write_text("\n".join(sw_lines[:4]), encoding="utf-8")
    c = config(tmp_path)
    corpus = built(c)
    assert [ids(corpus.train[code]) for code in LANGUAGES] == [["train-0", "train-3"]] * 3
    assert corpus.train["sw"][1].prompt == prompt("sw", 3)
    manifest = read_manifest(c.directory)
    # What is lacking in the same languages stands there once, however much it is.
    assert [dataclasses.astuple(entry) for entry in manifest.dropped] == [
        (("train-1", "train-2"), "train", ("fi",), "not in the source"),
        (("train-4", "train-5"), "train", ("sw",), "not in the source"),
    ]
    assert manifest.left_out() == "left out: 4 for 'not in the source'"
    assert manifest.languages["fi"]["train"].examples == 2


def test_a_manifest_of_before_says_the_same(tmp_path):
    write_sources(tmp_path)
    c = config(tmp_path)
    built(c)
    values = json.loads((c.directory / MANIFEST).read_text(encoding="utf-8"))
    told = {"split": "train", "reason": "not in the source"}
    values["dropped"] = [told | {"id": "a", "language": "fi"}, told | {"id": "b", "language": "fi"}]
    del values[CHECKSUM]
    write_record(c.directory / MANIFEST, values)
    manifest = read_manifest(c.directory)
    assert manifest.left_out() == "left out: 2 for 'not in the source'"
    assert [(entry.ids, entry.languages) for entry in manifest.dropped] == [
        (("a",), ("fi",)),
        (("b",), ("fi",)),
    ]


def test_a_file_that_was_changed_by_hand_is_not_taken(tmp_path):
    write_sources(tmp_path)
    c = config(tmp_path)
    assemble(c, LANGUAGES, progress=False, confirmed=False)
    path = split_path(c.directory, "train", "fi")
    path.write_text(path.read_text(encoding="utf-8").replace("fi 0", "fi 9"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"fi\.jsonl was changed after it was built"):
        load_corpus(c, LANGUAGES, progress=False)


def test_the_files_are_the_examples(tmp_path):
    write_sources(tmp_path)
    c = config(tmp_path)
    corpus = built(c)
    for split in SPLITS:
        content = split_path(c.directory, split, "fi").read_text(encoding="utf-8")
        assert [json.loads(line) for line in content.splitlines()] == [
            one.record() for one in getattr(corpus, split)["fi"]
        ]


def test_a_held_out_prompt_is_not_tuned_on_in_any_language(tmp_path):
    write_sources(tmp_path)
    for code, number in (("fi", 1), ("en", 3)):
        path = tmp_path / "heldout" / f"{code}.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines()
        record = json.loads(lines[0]) | {"prompt": prompt(code, number)}
        path.write_text("\n".join([json.dumps(record), *lines[1:]]), encoding="utf-8")
    reporting = config(tmp_path, drop_duplicates=False, name="reported")
    assert len(built(reporting).train["sw"]) == 6
    corpus = built(config(tmp_path))
    for c in (reporting, config(tmp_path)):
        leaks = read_manifest(c.directory).leaks
        assert {(leak.train_id, leak.kind, leak.languages) for leak in leaks} == {
            ("train-1", "exact", ("fi",)),
            ("train-3", "exact", ("en",)),
        }
    for code in LANGUAGES:
        assert ids(corpus.train[code]) == [f"train-{n}" for n in (0, 2, 4, 5)]
        assert len(corpus.heldout[code]) == 3


def test_files_in_different_orders_give_one_corpus_whatever_the_order_of_the_languages(tmp_path):
    write_sources(tmp_path)
    for file in (tmp_path / "train" / "fi.jsonl", tmp_path / "heldout" / "sw.jsonl"):
        lines = file.read_text("utf-8").splitlines(keepends=True)
        file.write_text("".join(reversed(lines)), "utf-8")
    corpora = [
        built(config(tmp_path, data_dir=str(tmp_path / code)), [code, *set(LANGUAGES) - {code}])
        for code in LANGUAGES
    ]
    for split in SPLITS:
        orders = [ids(getattr(corpus, split)[code]) for corpus in corpora for code in LANGUAGES]
        assert orders == 9 * [orders[0]]


def test_files_of_one_source_are_gone_as_a_whole_or_make_it_another(tmp_path):
    write_sources(tmp_path)
    more = tmp_path / "train" / "fi.more.jsonl"
    write(more, [{"id": "more", "prompt": prompt("fi", 11), "response": "fi 11"}])
    c = config(tmp_path, train=(f"jsonl:{tmp_path}/train/{{language}}*.jsonl",))
    built(c, ("fi",))
    manifest = read_manifest(c.directory)
    assert outdated(c, ("fi",), manifest) == ""
    more.rename(tmp_path / "gone")
    assert outdated(c, ("fi",), manifest) == f"{more} has gone since"
    (tmp_path / "train" / "fi.jsonl").unlink()
    assert outdated(c, ("fi",), manifest) == ""


def test_what_stands_is_left_alone_until_its_sources_or_its_recipe_change(tmp_path):
    write_sources(tmp_path)
    c = config(tmp_path)
    first = built(c)
    stamps = {path: path.stat().st_mtime_ns for path in c.directory.rglob("*") if path.is_file()}
    again = built(c)
    assert again.checksums == first.checksums and again.train == first.train
    built(dataclasses.replace(c, license="CC BY"))
    assert read_manifest(c.directory).license == "CC BY"
    built(c)
    stamps[c.directory / MANIFEST] = (c.directory / MANIFEST).stat().st_mtime_ns
    # Fewer languages are there already, and sources that have gone are not needed.
    for code in LANGUAGES:
        (tmp_path / "train" / f"{code}.jsonl").rename(tmp_path / "train" / f"{code}.gone")
    assert built(c, ("fi",)).checksums == {"fi": first.checksums["fi"]}
    assert stamps == {
        path: path.stat().st_mtime_ns for path in c.directory.rglob("*") if path.is_file()
    }
    write_sources(tmp_path, train=range(5))
    stale = "mine.* is not that of the config: .*train/en.jsonl has changed .*run `pinch corpus"
    with pytest.raises(ValueError, match=stale):
        load_corpus(c, LANGUAGES, progress=False)
    changed = built(c)
    assert len(changed.train["fi"]) == 5 and changed.checksums["fi"] != first.checksums["fi"]
    assert changed.heldout == first.heldout
    assert load_corpus(c, ("fi",), progress=False).made_in == LANGUAGES
    other = dataclasses.replace(c, duplicate_similarity=0.5)
    manifest = read_manifest(c.directory)
    assert outdated(other, LANGUAGES, manifest) == "its duplicate_similarity was 0.8, not 0.5"
    assert outdated(c, (*LANGUAGES, "et"), manifest) == "it is not in et"
    assert outdated(c, LANGUAGES, manifest) == ""


def translations(root, numbers):
    """What somebody translated: for each language the English texts with theirs."""
    for code in ("fi", "sw"):
        pairs = [{"source": f"en {n}", "translation": f"{code} {n}"} for n in numbers] + [
            {"source": prompt("en", n), "translation": prompt(code, n)} for n in numbers
        ]
        write(root / "made" / f"{code}.jsonl", pairs)
    return {"by": "jsonl", "path": f"{root}/made/{{language}}.jsonl"}


def english_only(root, **changes):
    sources = {split: (f"jsonl:{root}/{split}/en.jsonl",) for split in SPLITS}
    return config(root, **sources | changes)


def test_what_is_not_parallel_is_translated_and_what_cannot_be_is_in_no_language(tmp_path):
    write_sources(tmp_path)
    numbers = [0, 1, 2, 4, 5, 8, 9, 10]
    c = english_only(tmp_path, translation=translations(tmp_path, numbers))
    corpus = load_corpus(c, LANGUAGES, progress=False)  # free, so it is built on first use
    for code in LANGUAGES:
        assert ids(corpus.train[code]) == [f"train-{n}" for n in (0, 1, 2, 4, 5)]
        assert [e.prompt for e in corpus.heldout[code]] == [prompt(code, n) for n in (8, 9, 10)]
        assert {e.language for e in corpus.train[code]} == {code}
    manifest = read_manifest(c.directory)
    assert {(*e.ids, e.split, *e.languages) for e in manifest.dropped} == {
        ("train-3", "train", code) for code in ("fi", "sw")
    }
    assert all("not in the source" not in entry.reason for entry in manifest.dropped)
    assert manifest.translator.startswith("jsonl:")


def test_nothing_is_paid_for_without_being_asked(tmp_path, monkeypatch):
    write_sources(tmp_path)
    c = english_only(tmp_path, translation={"by": "openai", "model": "m", "base_url": "http://x"})
    monkeypatch.setattr(assembling, "make_translator", None)  # whoever asks for one fails
    shown = []
    with pytest.raises(
        ValueError, match=r"mine.*characters are still .* by openai:m.*--yes` first"
    ):
        assemble(c, LANGUAGES, progress=False, confirmed=False, show=shown.append)
    (costs,) = shown
    texts = [prompt("en", n) + f"en {n}" for n in (*range(6), 8, 9, 10)]
    assert {cost.language: cost.characters for cost in costs} == {
        code: sum(map(len, texts)) for code in ("fi", "sw")
    }
    with pytest.raises(ValueError, match=r"run `pinch corpus --config=\.\.\. --yes` first"):
        load_corpus(c, LANGUAGES, progress=False)
    assert not (c.directory / "manifest.json").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "Mine!"}, r"config\.corpus\.name: 'Mine!' is not known; choose one of cldr_ins"),
        ({"train": ()}, r"config\.corpus\.train=\(\): the corpus 'mine' needs a source"),
        ({"heldout": ()}, r"config\.corpus\.heldout=\(\): the corpus 'mine' needs a source"),
        ({"train": ("lime:/x",)}, r"config\.corpus\.train: source='lime:/x': not READER:PATH"),
        (
            {"train": ("jsonl:/x.jsonl",)},
            r"the source 'jsonl:/x.jsonl' is in 'en' alone, not in fi",
        ),
        ({"name": "cldr_statements"}, r"'cldr_statements' and config\.corpus\.train=.* contradict"),
        ({"duplicate_similarity": 0}, r"config\.corpus\.duplicate_similarity=0\.0: must be above"),
        (
            {"translation": {"by": "jsonl", "path": "/{language}"}},
            r"config\.corpus\.translation\.by='jsonl': there is nothing to translate",
        ),
    ],
)
def test_a_contradiction_is_named_before_anything_is_read(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        config(tmp_path, **changes)


def test_any_prefix_of_two_sources_holds_both_in_proportion_and_the_rights_name_both(tmp_path):
    write_sources(tmp_path, heldout=range(8, 13))
    facts = {split: f"cldr:{split}?first={n}" for split, n in (("train", 9), ("heldout", 15))}
    own = {split: f"jsonl:{tmp_path}/{split}/{{language}}.jsonl" for split in SPLITS}
    sources = {split: (own[split], facts[split]) for split in SPLITS}
    c = config(tmp_path, duplicate_similarity=1.0, **sources)
    corpus = built(c)
    for split, count in (("train", 9), ("heldout", 15)):
        kept = getattr(corpus, split)
        known = set(ids(read_source(parse_source(facts[split]), "sw")))
        assert known < set(ids(kept["sw"])) and ids(kept["sw"]) == ids(kept["en"])
        for end in range(len(kept["fi"]) + 1):
            held = sum(one.id in known for one in kept["fi"][:end])
            assert abs(held - end * count / len(kept["fi"])) <= 1, (split, end)
        # Each source keeps its own order.
        order = [one.id for one in kept["fi"] if one.id not in known]
        assert order == sorted(order, key=lambda name: int(name.rpartition("-")[2]))
    manifest = read_manifest(c.directory)
    assert manifest.license.startswith("Unicode CLDR: ") and manifest.license.endswith("; CC0")
    assert "@misc{cldr," in manifest.citation and "@misc{me}" in manifest.citation
    assert outdated(c, LANGUAGES, manifest) == ""
    told = f"{facts['train']} in fi"
    assert told in manifest.inputs
    changed = dataclasses.replace(manifest, inputs=manifest.inputs | {told: "another release"})
    assert outdated(c, LANGUAGES, changed) == f"{told} has changed since"


def test_sources_that_cannot_be_joined_are_named(tmp_path):
    write_sources(tmp_path)
    twice = (f"jsonl:{tmp_path}/train/{{language}}.jsonl",) * 2
    with pytest.raises(ValueError, match=r"config\.corpus\.train: 6 ids are in two sources, .*-0"):
        built(config(tmp_path, train=twice))
    with pytest.raises(UserError, match=r"train/et\.jsonl.*read for 'et', which config.* out of "):
        built(config(tmp_path), ("en", "et"))
    write(tmp_path / "train" / "fi.jsonl", [{"id": "other", "prompt": "x", "response": "y"}])
    with pytest.raises(
        ValueError, match=r"no example is in every language.*'train-0' fails in 'fi'"
    ):
        built(config(tmp_path))
    same = (f"jsonl:{tmp_path}/heldout/{{language}}.jsonl",)
    with pytest.raises(
        ValueError, match=r"config\.corpus\.train: every prompt is in .*heldout too"
    ):
        built(config(tmp_path, train=same))
    assert not Path(tmp_path / "built" / "mine" / "manifest.json").exists()


def test_only_held_out_examples_may_lack_a_response(tmp_path):
    write_sources(tmp_path)
    for split in SPLITS:
        for code in LANGUAGES:
            path = tmp_path / split / f"{code}.jsonl"
            lines = path.read_text(encoding="utf-8").splitlines()
            last = json.loads(lines[-1]) | {"response": ""}
            path.write_text("\n".join([*lines[:-1], json.dumps(last)]), encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"train: 1 examples of 'jsonl:.*no response in 'en', .*'train-5'"
    ):
        built(config(tmp_path))
    write_sources(tmp_path, heldout=())
    heldout = tmp_path / "heldout" / "{language}.jsonl"
    for code in LANGUAGES:
        write(
            Path(str(heldout).format(language=code)), [{"id": "h", "prompt": "x", "response": ""}]
        )
    assert built(config(tmp_path)).heldout["fi"][0].response == ""


def without_ids(root, split, lacking=()):
    """Takes the ids out of the sources of a split; `lacking` are (language, row) that go."""
    for code in LANGUAGES:
        path = root / split / f"{code}.jsonl"
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        left = [r for row, r in enumerate(records) if (code, row) not in lacking]
        write(path, [{name: r[name] for name in ("prompt", "response")} for r in left])


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("options", ["", "?first=2"])
@pytest.mark.parametrize("drop_duplicates", [True, False])
def test_rows_without_ids_are_paired_by_place_only_where_they_are_as_many(
    tmp_path, split, options, drop_duplicates
):
    write_sources(tmp_path)
    without_ids(tmp_path, split)
    source = f"jsonl:{tmp_path}/{split}/{{language}}.jsonl{options}"
    c = config(tmp_path, **{split: (source,), "drop_duplicates": drop_duplicates})
    corpus = built(c)
    for place, english in enumerate(getattr(corpus, split)["en"]):
        number = int(english.response.removeprefix("en "))
        for code in LANGUAGES:
            assert getattr(corpus, split)[code][place].prompt == prompt(code, number)

    without_ids(tmp_path, split, lacking={("fi", 2)})
    counts = "6 in 'en', 5 in 'fi', 6 in 'sw'" if split == "train" else "3 in 'en', 2 in 'fi', 3"
    with pytest.raises(ValueError, match=f"source='jsonl:.*paired by their place.*: {counts}"):
        built(c)


def test_a_language_that_repeats_another_one_is_an_error(tmp_path):
    write_sources(tmp_path)
    path = tmp_path / "train" / "sw.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) | {"prompt": prompt("en", n)} for n, line in enumerate(lines)]
    write(path, records)  # half of the texts: the responses are still Swahili
    assert len(built(config(tmp_path, name="half")).train["sw"]) == 6
    write(path, [records[0] | {"response": "en 0"}, *records[1:]])
    with pytest.raises(ValueError, match=r"7 of 12 texts of 'jsonl:.* the same in 'sw' as in 'en'"):
        built(config(tmp_path))


def test_an_empty_response_is_seen_in_whichever_language_it_is(tmp_path):
    write_sources(tmp_path)
    path = tmp_path / "train" / "fi.jsonl"
    path.write_text(path.read_text("utf-8").replace('"fi 3"', '"\\u200b "'), "utf-8")
    with pytest.raises(ValueError, match=r"1 examples of 'jsonl:.* response in 'fi', .*'train-3'"):
        built(config(tmp_path))

"""Who translates: files that somebody made, what the services need, what configs may say."""

import datetime
import json
import sys
from email.utils import format_datetime

import pytest
from known_sentences import BOILING, EGG, HOURS, OPENING, SENTENCES, config_of, example, translate

from pinch_jax.corpus.translation.translate import estimate
from pinch_jax.corpus.translation.translators import make_translator
from pinch_jax.errors import UserError
from pinch_jax.service.faults import ServiceError, retry_after_seconds


def write_jsonl(path, said):
    lines = [json.dumps({"source": a, "translation": b}) + "\n" for a, b in said.items()]
    path.write_text("".join(lines), "utf-8")


def test_translations_that_somebody_made_are_checked_like_all_others(tmp_path):
    file = tmp_path / "fi.jsonl"
    config = config_of("", "jsonl", path=str(tmp_path / "{language}.jsonl"))
    code = "\n```\nopen\n```\n"
    examples = (example(0, OPENING, HOURS), example(1, EGG, BOILING + code), example(2, EGG, ""))
    said = {text: SENTENCES[text]["fi"] for text in (OPENING, HOURS, EGG, BOILING)}
    said[BOILING + code] = said[BOILING] + code
    write_jsonl(file, said)
    translated = translate(config, tmp_path / "none", examples)
    assert [(one.prompt, one.response) for one in translated.examples] == [
        (said[OPENING], said[HOURS]),
        (said[EGG], said[BOILING] + code),
        (said[EGG], ""),
    ]
    assert estimate(examples, ("fi",), config, tmp_path / "none")[0].price == 0
    assert not (tmp_path / "none").exists()

    said[BOILING + code] = said[BOILING] + code.replace("open", "avaa")
    del said[HOURS]
    write_jsonl(file, said)
    rejected = translate(config, tmp_path, examples).rejected
    assert rejected["made-0"] == f"response: refused: not in {file}"
    assert rejected["made-1"].startswith("response: changed part: '```")
    assert [*rejected] == ["made-0", "made-1"]


def test_a_file_that_contradicts_itself_or_is_not_there_is_an_error(tmp_path):
    config = config_of("", "jsonl", path=str(tmp_path / "{language}.jsonl"))
    line = json.dumps({"source": HOURS, "translation": "Avoinna."})
    (tmp_path / "fi.jsonl").write_text(f"{line}\n{line.replace('Avoinna', 'Kiinni')}\n", "utf-8")
    with pytest.raises(ValueError, match=r"fi\.jsonl:2: a second translation of .The library"):
        translate(config, tmp_path, [example(0, HOURS, "")])
    with pytest.raises(UserError, match=r"sw\.jsonl"):
        translate(config, tmp_path, [example(0, HOURS, "")], target="sw")


def test_retry_after_is_seconds_or_a_date():
    now = datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=datetime.UTC)
    later = format_datetime(now + datetime.timedelta(seconds=90), usegmt=True)
    clock = str(now.timestamp() + 7)
    zoneless = later.replace("GMT", "-0000")
    values = {"1.5": 1.5, later: 90.0, zoneless: 90.0, clock: 7.0, "-3": 0.0, "soon": 0.0}
    for value, seconds in values.items():
        assert retry_after_seconds({"Retry-After": value}, now) == seconds
    assert retry_after_seconds({}) == 0.0


@pytest.mark.parametrize(
    ("module", "extra"), [("openai", "services"), ("google.cloud", "translate")]
)
def test_a_library_that_is_not_there_is_named_with_its_extra(monkeypatch, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    by = module.partition(".")[0]
    with pytest.raises(ValueError, match=rf"pip install 'pinch_jax\[{extra}\]'"):
        make_translator(config_of("http://localhost:1", by))


def test_a_missing_key_is_one_line(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ServiceError, match="OPENAI_API_KEY"):
        make_translator(config_of("", "openai", base_url=""))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"concurrency": 0}, "concurrency=0"),
        ({"piece_characters": 20}, "piece_characters=20"),
        ({"price_per_million_characters": -1.0}, "price_per_million_characters=-1.0"),
        ({"project": ""}, "project=''"),
        ({"by": "openai", "model": ""}, "model=''"),
        ({"path": "x/{language}.jsonl"}, "path='x/{language}.jsonl'"),
        ({"by": "jsonl", "path": "fi.jsonl"}, "path='fi.jsonl'"),
        ({"base_url": "localhost:80"}, "base_url='localhost:80'"),
    ],
)
def test_a_config_that_cannot_work_names_the_field(changes, field):
    with pytest.raises(ValueError) as caught:
        config_of("http://localhost:1", **changes)
    assert f"config.corpus.translation.{field}" in str(caught.value)

"""SIB-200 as instructions: parallel, and asked and answered in the words of each language."""

import string

import pytest
from bundled import STUDY_LANGUAGES

from pinch_jax.corpus.language_id import study_words
from pinch_jax.corpus.reading.readers import read_source
from pinch_jax.corpus.reading.source import parse_source
from pinch_jax.corpus.reading.topics import topic_phrases
from pinch_jax.evaluate.outcome import classify

SIB = "index_id\tcategory\ttext\n431\tgeography\tA sea.\n7\ttravel\t{text}\n3\tsports\tBall.\n"


def read(text, language="en"):
    return read_source(parse_source(text), language)


def test_sib200_asks_the_same_in_every_language(tmp_path):
    # A text with quotes is quoted as spreadsheets do.
    (tmp_path / "en.tsv").write_text(SIB.format(text='"See ""Rome"" {now}."'), "utf-8")
    (tmp_path / "fi.tsv").write_text(SIB.format(text="Nähdä Rooma."), "utf-8")
    source = parse_source(f"sib200:{tmp_path}/{{language}}.tsv")
    english, finnish = (read_source(source, code) for code in ("en", "fi"))
    assert source.parallel
    assert [e.id for e in finnish] == ["sib200-431", "sib200-7", "sib200-3"]
    assert [e.id for e in english] == [e.id for e in finnish]
    assert 'See "Rome" {now}.' in english[1].prompt and english[1].answer == "travel"
    assert finnish[1].answer == "matkailu" and "matkailu" in finnish[1].response
    assert len({e.response.replace(e.answer, "") for e in english}) == 3


def test_topics_are_asked_and_named_in_each_language():
    labels = list(topic_phrases()["en"]["topics"])
    assert set(topic_phrases()) == set(STUDY_LANGUAGES) and len(labels) == 7
    words = study_words(
        {
            code: [
                p["response"].format(topic=n)
                for p in own["phrasings"]
                for n in own["topics"].values()
            ]
            for code, own in topic_phrases().items()
        }
    )
    for code, phrases in topic_phrases().items():
        names = phrases["topics"]
        assert list(names) == labels and len(set(names.values())) == 7
        assert len(phrases["phrasings"]) == 3
        for phrasing in phrases["phrasings"]:
            for part, fields in (("question", {"topics", "text"}), ("response", {"topic"})):
                parsed = string.Formatter().parse(phrasing[part])
                assert {field for _, field, _, _ in parsed if field} == fields
            for name in names.values():
                said = phrasing["response"].format(topic=name)
                outcome = classify("", said, code, reference="", answer=name, words=words)
                assert outcome.answer_match and outcome.right_language, (code, said)


def test_rows_that_are_none_are_named(tmp_path):
    for content in (SIB.format(text="one\ttoo many"), SIB.replace("\t{text}", "")):
        (tmp_path / "a.tsv").write_text(content, "utf-8")
        with pytest.raises(ValueError, match=r"a\.tsv:3: not as many cells"):
            read(f"sib200:{tmp_path}/a.tsv")
    (tmp_path / "a.tsv").write_text(SIB.format(text="x").replace("sports", "chess"), "utf-8")
    with pytest.raises(ValueError, match=r"a\.tsv:4: category='chess'"):
        read(f"sib200:{tmp_path}/a.tsv")
    with pytest.raises(ValueError, match="language='pl': no phrases"):
        read(f"sib200:{tmp_path}/a.tsv", "pl")

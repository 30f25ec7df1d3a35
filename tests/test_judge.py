"""The judge protocol: both orders, nothing judged twice, nothing compared that differs."""

import json

import pytest

from pinch_jax.errors import UserError
from pinch_jax.evaluate.records import read_responses
from pinch_jax.evaluate.text_match import chrf_score
from pinch_jax.judge.protocol import Judgement, Pair
from pinch_jax.judge.records import ORDERS, read_verdicts, seen_by_judge
from pinch_jax.judge.reference import ReferenceJudge
from pinch_jax.judge.scores import outcomes
from pinch_jax.judge.verdicts import judge_files
from pinch_jax.storage.files import json_line, read_kept_lines

RECORD = {
    "id": "currency.KE.0",
    "language": "en",
    "prompt": "Which currency is used in the following country: Kenya?",
    "reference": "The currency of this country is: Kenyan Shilling.",
    "task": "currency",
    "answer": "Kenyan Shilling",
}
RIGHT = RECORD["reference"]
WRONG_ANSWER = "The currency of this country is: Ugandan Shilling."
WRONG_LANGUAGE = "Tämän maan valuutta on: Kenian shillinki."


class Scripted:
    """Prefers what has more of the letter A; counts its calls; may fail after some pairs."""

    name, identity, version, wording, everywhere = "scripted", "", "", "", False

    def __init__(self, batch_size=2, fails_after=None):
        self.batch_size, self.fails_after, self.seen = batch_size, fails_after, []

    def judge(self, pairs):
        if self.fails_after is not None and len(self.seen) + len(pairs) > self.fails_after:
            raise ConnectionError("the judge is gone")
        self.seen += [(pair.record["id"], pair.first, pair.second) for pair in pairs]
        return [
            Judgement("first" if pair.first.count("A") >= pair.second.count("A") else "second")
            for pair in pairs
        ]


def write_responses(path, responses, **changes):
    lines = [
        json.dumps(RECORD | {"id": f"id.{number}", "response": response} | changes)
        for number, response in enumerate(responses)
    ]
    path.write_text("".join(line + "\n" for line in lines), "utf-8")
    return path


def choices(judge, *pairs):
    return [told.choice for told in judge.judge(pairs)]


@pytest.fixture
def files(tmp_path):
    baseline = write_responses(tmp_path / "baseline.jsonl", ["A", "AAA", "A", "AA"])
    candidate = write_responses(tmp_path / "candidate.jsonl", ["AA", "A", "A", "AAA"])
    return baseline, candidate, tmp_path / "verdicts" / "verdicts.jsonl"


def test_a_response_wins_when_chosen_in_both_orders_and_ties_when_the_place_decides(files):
    verdicts = judge_files(Scripted(), *files, progress=False)
    assert outcomes(verdicts) == {"id.0": 1.0, "id.1": 0.0, "id.2": 0.5, "id.3": 1.0}
    assert [verdict.order for verdict in verdicts] == list(ORDERS) * 4
    tie = [(verdict.choice, verdict.winner) for verdict in verdicts if verdict.id == "id.2"]
    assert tie == [("first", "baseline"), ("first", "candidate")]
    assert read_verdicts(files[2]) == verdicts


def test_the_judge_sees_both_responses_in_both_orders(files):
    judge = Scripted()
    judge_files(judge, *files, progress=False)
    assert judge.seen[:2] == [("id.0", "A", "AA"), ("id.0", "AA", "A")]


def test_what_was_judged_is_never_judged_again(files):
    first = judge_files(Scripted(), *files, progress=False)
    content = files[2].read_bytes()
    again = Scripted()
    assert judge_files(again, *files, progress=False) == first
    assert again.seen == []
    assert files[2].read_bytes() == content


@pytest.mark.parametrize("kept_bytes", [-1, -2, -30, 130, 5, 0])
def test_an_interrupted_file_is_taken_up_where_it_was_cut(files, kept_bytes):
    whole = judge_files(Scripted(), *files, progress=False)
    content = files[2].read_bytes()
    lines = content.splitlines()
    files[2].write_bytes(content[:kept_bytes])
    complete = sum(line in content[:kept_bytes].splitlines() for line in lines)
    again = Scripted()
    assert judge_files(again, *files, progress=False) == whole
    assert len(again.seen) == len(whole) - complete
    assert sorted(files[2].read_bytes().splitlines()) == sorted(lines)


def test_a_judge_that_fails_leaves_its_verdicts_and_no_other(files):
    with pytest.raises(ConnectionError):
        judge_files(Scripted(fails_after=5), *files, progress=False)
    assert len(read_verdicts(files[2])) == 4
    judge = Scripted()
    judge_files(judge, *files, progress=False)
    assert len(judge.seen) == 4


def test_every_batch_is_on_disk_before_the_next_one_is_judged(files):
    class Watching(Scripted):
        def judge(self, pairs):
            assert len(files[2].read_bytes().splitlines()) == len(self.seen)
            return super().judge(pairs)

    assert len(judge_files(Watching(batch_size=3), *files, progress=False)) == 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": "Another question?"}, r"prompt of .*id\.0"),
        ({"reference": "Another answer."}, r"reference of .*id\.0"),
        ({"language": "fi"}, r"no response to 4 prompts"),
    ],
)
def test_files_that_answer_different_prompts_are_an_error(files, change, message):
    write_responses(files[1], ["AA", "A", "A", "AAA"], **change)
    with pytest.raises(ValueError, match=message):
        judge_files(Scripted(), *files, progress=False)
    assert not files[2].exists()


def test_missing_and_repeated_responses_are_errors_that_name_them(files):
    write_responses(files[1], ["AA", "A", "A"])
    with pytest.raises(ValueError, match=r"candidate\.jsonl: no response to 1 .*id\.3"):
        judge_files(Scripted(), *files, progress=False)
    write_responses(files[1], ["AA", "A"], id="id.0")
    with pytest.raises(ValueError, match=r"candidate\.jsonl:2: en 'id\.0' comes twice"):
        judge_files(Scripted(), *files, progress=False)
    files[1].write_text('{"id": "id.0"}\n')
    with pytest.raises(ValueError, match=r"candidate\.jsonl:1: no field 'language'"):
        judge_files(Scripted(), *files, progress=False)
    with pytest.raises(UserError, match=r"absent\.jsonl"):
        judge_files(Scripted(), files[0], files[0].with_name("absent.jsonl"), files[2])


def test_verdicts_of_another_judge_or_on_other_prompts_are_not_continued(files):
    judge_files(Scripted(), *files, progress=False)
    with pytest.raises(ValueError, match="'scripted', not 'reference-5'"):
        judge_files(ReferenceJudge(), *files, progress=False)
    for path in files[:2]:
        write_responses(path, ["A"])
    with pytest.raises(ValueError, match=r"id\.1.*not about these responses"):
        judge_files(Scripted(), *files, progress=False)


def test_the_reference_judge_ranks_every_kind_of_failure():
    kinds = [
        RIGHT,
        WRONG_ANSWER,
        RECORD["prompt"],
        WRONG_LANGUAGE,
        "",
    ]
    judge = ReferenceJudge()
    for place, better in enumerate(kinds):
        for worse in kinds[place + 1 :]:
            pairs = [Pair(RECORD, better, worse), Pair(RECORD, worse, better)]
            assert choices(judge, *pairs) == ["first", "second"], (better, worse)


def test_an_echo_loses_to_any_answer_and_of_two_wrong_answers_the_nearer_wins():
    judge = ReferenceJudge()
    unlike = "I do not know what you want from me, my friend."
    assert chrf_score(RECORD["prompt"], RIGHT) > chrf_score(unlike, RIGHT)
    assert choices(judge, Pair(RECORD, RECORD["prompt"], unlike)) == ["second"]
    assert choices(judge, Pair(RECORD, unlike, WRONG_ANSWER)) == ["second"]


def test_a_right_answer_wins_over_a_wrong_one_in_the_words_of_the_reference(tmp_path):
    told = "People over there pay with the Kenyan Shilling, as far as I know."
    several = "The currency of this country is: Kenyan Shilling or Ugandan Shilling."
    assert chrf_score(told, RIGHT) < chrf_score(WRONG_ANSWER, RIGHT) < chrf_score(several, RIGHT)
    judge = ReferenceJudge()
    pairs = Pair(RECORD, WRONG_ANSWER, told), Pair(RECORD, told, RIGHT)
    assert choices(judge, *pairs) == ["second", "second"]
    # Whoever names several has not answered: the file tells which answers there are.
    uganda = {"id": "currency.UG.0", "answer": "Ugandan Shilling", "prompt": "And in Uganda?"}
    files = [tmp_path / "told.jsonl", tmp_path / "several.jsonl"]
    for path, response in zip(files, (told, several), strict=True):
        records = [RECORD | {"response": response}, RECORD | uganda | {"response": ""}]
        path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    verdicts = judge_files(judge, *files, tmp_path / "verdicts.jsonl", progress=False)
    assert outcomes(verdicts)[RECORD["id"]] == 0.0


def test_the_reference_judge_takes_a_short_answer_neither_for_wrong_nor_for_better():
    judge = ReferenceJudge()
    short, in_finnish = Pair(RECORD, "Shilling", WRONG_LANGUAGE), Pair(RECORD, "Shilling", RIGHT)
    assert choices(judge, short, in_finnish) == ["first", "second"]


def test_responses_of_equal_quality_tie_because_the_place_decides(tmp_path):
    paths = [write_responses(tmp_path / name, [RIGHT, WRONG_ANSWER]) for name in ("a", "b")]
    verdicts = judge_files(ReferenceJudge(), *paths, tmp_path / "out", progress=False)
    assert set(outcomes(verdicts).values()) == {0.5}
    assert {verdict.choice for verdict in verdicts} == {"first"}


def test_a_response_that_has_changed_is_judged_anew_and_no_other(files, caplog):
    baseline, candidate, output = files
    judge_files(Scripted(), *files, progress=False)
    write_responses(candidate, ["AA", "A", "AAA", "AAA"])
    judge = Scripted()
    verdicts = judge_files(judge, *files, progress=False)
    assert outcomes(verdicts) == {"id.0": 1.0, "id.1": 0.0, "id.2": 1.0, "id.3": 1.0}
    assert {seen[0] for seen in judge.seen} == {"id.2"}
    assert f"{output}: 2 verdicts are on other responses, or by another version" in caplog.text
    assert sorted(map(str, read_verdicts(output))) == sorted(map(str, verdicts))
    # Whole files may be others too: the candidate is now the baseline.
    swapped = judge_files(judge := Scripted(), candidate, baseline, output, progress=False)
    assert len(judge.seen) == 8
    assert outcomes(swapped) == {"id.0": 0.0, "id.1": 1.0, "id.2": 0.0, "id.3": 0.0}


@pytest.mark.parametrize(
    "field",
    ["language", "prompt", "reference", "answer", "response", "candidate", "others", "knowledge"],
)
def test_all_that_a_judge_is_shown_is_part_of_what_it_saw(field):
    asked = {"language": "en", "task": "t", "prompt": "p", "reference": "r", "answer": "a"}
    records = {1: asked | {"response": "x"}, 2: asked | {"answer": "b", "response": "x"}}
    other = {key: dict(record) for key, record in records.items()}
    candidate = {key: dict(record) for key, record in records.items()}
    if field == "candidate":
        candidate[1]["response"] = "y"
    elif field == "others":
        other[2]["answer"] = "c"
    elif field != "knowledge":
        other[1][field] = "y"
    knowledge = "other words" if field == "knowledge" else ""
    now, then = seen_by_judge(other, candidate, knowledge), seen_by_judge(records, records, "")
    assert now[1] != then[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"winner": "candidatf"}, "winner='candidatf' is not what choice='first'"),
        ({"winner": "candidate"}, "winner='candidate' is not what choice='first' of"),
        ({"choice": "third"}, "choice='third' is none of"),
        ({"order": "backwards"}, "order='backwards' is none of"),
        ({"score": 1}, "unexpected keyword argument 'score'"),
    ],
)
def test_a_verdict_that_contradicts_itself_is_an_error_even_with_a_checksum(files, change, message):
    judge_files(Scripted(), *files, progress=False)
    path = files[2]
    first, *others = (record for _, record in read_kept_lines(path, ""))
    tie = next(record for record in [first, *others] if record["winner"] == "baseline")
    path.write_text(json_line(tie | change), "utf-8")
    with pytest.raises(ValueError, match=rf"verdicts\.jsonl:1: not a verdict \(.*{message}"):
        read_verdicts(path)


def test_a_damaged_verdict_is_named_with_its_line_and_is_not_judged_over(files):
    judge_files(Scripted(), *files, progress=False)
    content = files[2].read_text("utf-8")
    damaged = content.replace('"winner": "candidate"', '"winner": "baseline"', 1)
    files[2].write_text(damaged, "utf-8")
    with pytest.raises(ValueError, match=r"verdicts\.jsonl:\d+ does not match its checksum=.*line"):
        judge_files(Scripted(), *files, progress=False)
    assert files[2].read_text("utf-8") == damaged


@pytest.mark.parametrize(("spelling", "code"), [("no", "nb"), ("NB", "nb"), ("nb-NO", "nb")])
def test_a_language_in_another_spelling_of_its_code_is_still_that_language(
    tmp_path, spelling, code
):
    def write(name, response, language):
        return write_responses(tmp_path / name, [response], language=language, prompt="Hva?")

    english = "The capital of Norway is called Oslo, and it is its largest city."
    norwegian = "Hovedstaden i Norge heter Bergen, og den er landets nest største by."
    baseline, candidate = write("en", english, code), write("nb", norwegian, spelling)
    (key,) = read_responses(candidate)
    assert key == (code, "id.0"), "as the config's languages are called"
    verdicts = judge_files(ReferenceJudge(), baseline, candidate, tmp_path / "verdicts.jsonl")
    assert {verdict.winner for verdict in verdicts} == {"candidate"}


def test_a_prompt_that_comes_twice_by_two_spellings_of_its_language_is_refused(tmp_path):
    lines = [RECORD | {"language": code, "response": "x"} for code in ("no", "nb")]
    path = tmp_path / "responses.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    with pytest.raises(UserError, match=r"responses\.jsonl:2: nb 'currency\.KE\.0' comes twice"):
        read_responses(path)

"""What does not fit is told before a run, or the run is refused: nothing is lost silently."""

import dataclasses
import json
import shutil

import pytest
from batch_shapes import batch_shape
from own_corpus import LANGUAGES, prompt, whole_config, write, write_sources
from sentencepiece.sentencepiece_model_pb2 import ModelProto
from small_tokenizers import BUNDLED

from pinch_jax.corpus.example import Example
from pinch_jax.data.dropping import check_dropped, left_out_lines
from pinch_jax.data.mixture import TooFewExamples, parse_mixture
from pinch_jax.data.plan import plan_batches
from pinch_jax.data.tokenized import tokenize_corpus
from pinch_jax.model.source import open_model
from pinch_jax.study.plan import describe, plan_study
from pinch_jax.study.preflight import foreign_shares, preflight
from pinch_jax.study.workbench import Workbench

SHAPE = batch_shape(2, 20, 10)


def planned(long, spec="uniform:en,fi", shape=SHAPE, epochs=1, **how):
    """A plan over 40 examples of 8 tokens, 4 supervised; `long` is (language, id) -> others."""
    corpus = {
        code: [Example(str(n), "", "", code, str(n), code, "", False) for n in range(40)]
        for code in ("en", "fi", "sw")
    }

    def render(text, code):
        tokens, supervised = long.get((code, int(text)), (8, 4))
        return [1] * tokens, tokens - supervised

    tokenized = tokenize_corpus(corpus, 0, render)
    mixture = parse_mixture(spec, ("en", "fi", "sw"), 40, **how)
    return plan_batches(mixture, tokenized, shape, epochs)


def test_what_is_left_out_and_what_is_left_of_the_mixture_are_told():
    assert left_out_lines(planned({})) == []
    first, *others = (("fi", int(id)) for code, id in ids_of(planned({})) if code == "fi")
    fits = planned({first: (20, 10)})
    assert left_out_lines(fits) == [] and fits.longest == (20, 10)
    plan = planned(dict.fromkeys(others, (21, 4)), epochs=2)
    (line,) = left_out_lines(plan)
    assert "38 of 40 in 'fi', over" in line and plan.longest == (21, 4)
    assert line.endswith("was to be en 50 %, fi 50 % is en 95.2 %, fi 4.76 %")


def test_a_language_whose_part_is_below_one_example_is_told():
    """Of 40 examples 2 % are 0.8, which two languages cannot both have."""
    plan = planned({}, "pinch:2:fi,sw")
    empty = [code for code in ("fi", "sw") if not plan.budgets[code]]
    (line,) = left_out_lines(plan)
    assert len(empty) == 1 and line.startswith(f"no example of {empty[0]}: the part")
    assert left_out_lines(planned({}, "pinch:5:fi,sw")) == []


def test_a_language_whose_part_of_the_steps_is_another_one_is_told():
    """Of 2 examples and 38, four in a step, the 2 are a step like each of the ten others."""
    shape = batch_shape(2, 20, 10, examples=4)
    (line,) = left_out_lines(planned({}, "pinch:5:fi", shape, granularity="step"))
    assert "what is en 95 %, fi 5 % of the examples is en 90.9 %, fi 9.09 % of the steps" in line
    assert left_out_lines(planned({}, "uniform:en,fi", shape, granularity="step")) == []
    assert left_out_lines(planned({}, "pinch:5:fi", shape)) == []


@pytest.mark.parametrize("epochs", [1, 3])
def test_the_limit_is_of_each_language_and_the_row_that_is_named_fits_all(epochs):
    # One of the 4 Finnish examples, and one of 36 English ones.
    found = planned({}, "pinch:10:fi", epochs=epochs)
    own = {code: [id for c, id in ids_of(found) if c == code] for code in ("en", "fi")}
    long = {("fi", int(own["fi"][0])): (8, 12), ("en", int(own["en"][0])): (31, 4)}
    long = {
        key: (max(tokens, supervised + 1), supervised) for key, (tokens, supervised) in long.items()
    }
    plan = planned(long, "pinch:10:fi", epochs=epochs)
    assert plan.dropped == {"en": epochs, "fi": epochs, "sw": 0}
    check_dropped({"a": plan, "b": found}, 0.25)
    named = r"max_dropped_fraction=0.24: a loses .*row_tokens=31 and .*row_supervised_tokens=12, "
    with pytest.raises(ValueError, match=named):
        check_dropped({"b": found, "a": plan}, 0.24)
    check_dropped({"a": planned(long, "pinch:10:fi", batch_shape(2, 31, 12), epochs)}, 0.0)


def ids_of(plan):
    return [pair for step in range(plan.steps) for pair in plan.examples_at(step)]


def small_config(root, batch=(), evaluate=(), **mixture):
    config = whole_config(root)
    return dataclasses.replace(
        config,
        mixture=dataclasses.replace(config.mixture, **{"examples": 6, **mixture}),
        batch=dataclasses.replace(config.batch, rows=8, **dict(batch)),
        evaluate=dataclasses.replace(config.evaluate, rows=8, **dict(evaluate)),
    )


def test_a_study_that_would_lose_examples_is_refused_before_it_begins(tmp_path):
    write_sources(tmp_path)
    path = tmp_path / "train" / "fi.jsonl"
    records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    write(path, [records[0] | {"response": "sana " * 60}, *records[1:]])
    short = {"row_tokens": 150, "row_supervised_tokens": 50}
    with pytest.raises(ValueError, match=r"set 'monolingual:fi' loses more: .* 2 of 12 in 'fi'"):
        plan_study(small_config(tmp_path, short), tmp_path / "w", progress=False)
    assert not (tmp_path / "w" / "runs").exists()
    allowing = small_config(tmp_path, short | {"max_dropped_fraction": 0.2})
    study = plan_study(allowing, tmp_path / "other", progress=False)
    assert "the tuning set 'monolingual:fi': examples that do not fit" in describe(study)
    # The limit decides nothing: the same runs.
    looser = small_config(tmp_path, short | {"max_dropped_fraction": 0.9})
    again = plan_study(looser, tmp_path / "other", progress=False)
    assert [run.fingerprint for run in again.distinct] == [r.fingerprint for r in study.distinct]


def test_prompts_answers_and_heldout_responses_that_have_no_room_are_told(tmp_path):
    write_sources(tmp_path)
    path = tmp_path / "heldout" / "sw.jsonl"
    records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    long_one = records[2] | {"response": "neno " * 60}
    write(path, [*records[:2], long_one])

    def told(batch=(), evaluate=(), languages=LANGUAGES):
        bench = Workbench(small_config(tmp_path, batch, evaluate), progress=False)
        lines = preflight(bench, {"monolingual:en": bench.plan("monolingual:en")}, languages)
        # Names of letters are in no language.
        return [line for line in lines if "are in another language by lid.176" not in line]

    assert told() == []
    (line,) = told(evaluate={"new_tokens": 40})
    assert line.startswith("answers in 'sw' end after config.evaluate.new_tokens=40; 1 of 3 refer")
    assert told(evaluate={"new_tokens": 40}, languages=("en", "fi")) == []
    with pytest.raises(ValueError, match=r"the held-out set of 'sw' loses more: .* 1 of 3 in 'sw'"):
        told(batch={"row_supervised_tokens": 50})
    with pytest.raises(ValueError, match=r"prompt_tokens=20: 9 of 9 .* most; set .*=(\d+)") as long:
        told(evaluate={"prompt_tokens": 20})
    enough = int(str(long.value).rpartition("=")[2])
    assert told(evaluate={"prompt_tokens": enough}) == []
    with pytest.raises(ValueError, match=f"prompt_tokens={enough - 1}: "):
        told(evaluate={"prompt_tokens": enough - 1})
    shutil.rmtree(tmp_path / "built")
    write(path, [records[0], records[1] | {"prompt": records[0]["prompt"].upper()}, long_one])
    assert told()[0].startswith("held-out prompts that another one is too: 1 of 3 in 'sw'; interv")


def test_characters_without_a_token_are_told(tmp_path):
    write_sources(tmp_path)
    path, kind = tmp_path / "train" / "fi.jsonl", ModelProto.SentencePiece
    records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    write(path, [*(r | {"response": f"{r['response']} አማርኛ"} for r in records[:2]), *records[2:]])
    model = ModelProto.FromString((BUNDLED / "tokenizer.model").read_bytes())

    def told(name):
        (tmp_path / name).write_bytes(model.SerializeToString())
        made = {
            "source": "",
            "tokenizer": str(tmp_path / name),
            "decoder": open_model("tiny").decoder,
        }
        config = small_config(tmp_path)
        config = dataclasses.replace(config, model=dataclasses.replace(config.model, **made))
        lines = preflight(Workbench(config, progress=False), {}, LANGUAGES)
        return [line for line in lines if "no token for" in line]

    assert told("bytes.model") == []
    model.trainer_spec.byte_fallback = False
    for token in model.pieces:
        token.type = kind.UNUSED if token.type == kind.BYTE else token.type
    (line,) = told("none.model")
    assert "that none.model has no token for: 2 of 6 in 'fi'; one token" in line


def test_references_and_training_responses_in_another_language_are_told(tmp_path):
    said = {
        "en": "The shop in the village is closed today because it is Sunday.",
        "fi": "Kylän kauppa on tänään kiinni, koska nyt on sunnuntai.",
        "sw": "Duka la kijiji limefungwa leo kwa sababu ni siku ya Jumapili.",
    }

    def told(root, **english):
        write_sources(root)
        for path in root.glob("*/*.jsonl"):
            rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
            first = english.get(f"{path.parent.name}_{path.stem}", 0)
            codes = ["en"] * first + [path.stem] * (len(rows) - first)
            write(path, [r | {"response": said[c]} for r, c in zip(rows, codes, strict=True)])
        bench = Workbench(small_config(root), progress=False)
        lines = preflight(bench, {}, LANGUAGES)
        return [line.partition(":")[0] for line in lines], foreign_shares(bench, {*LANGUAGES})

    assert told(tmp_path / "right") == ([], {})
    lines, shares = told(tmp_path / "wrong", train_sw=2, heldout_fi=1)
    assert lines == [
        "1 of 3 references in 'fi' are in another language by lid.176 (en 1)",
        "2 of 6 training responses in 'sw' are in another language by lid.176 (en 2)",
    ]
    assert shares == {"fi": pytest.approx(100 / 3)}


def test_a_corpus_that_is_too_small_says_what_was_left_out_of_it(tmp_path):
    write_sources(tmp_path)
    path = tmp_path / "heldout" / "fi.jsonl"
    records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    near = f"{prompt('fi', 2)} Oi!"
    write(
        path,
        [r | {"prompt": p} for r, p in zip(records, (prompt("fi", 1), near, "x"), strict=True)],
    )
    path = tmp_path / "train" / "sw.jsonl"
    path.write_text("".join(path.read_text("utf-8").splitlines(True)[:-1]), "utf-8")
    bench = Workbench(small_config(tmp_path), progress=False)
    told = (
        r"only 3 examples to tune on; .* at most 3 \(left out: 1 duplicates and 1 near-duplicates "
        r"of held-out prompts, by config\.corpus\.drop_duplicates; 1 for 'not in the source'\)"
    )
    with pytest.raises(TooFewExamples, match=told):
        bench.plan("monolingual:en")
    assert bench.corpus.left_out and len(bench.corpus.train["en"]) == 3

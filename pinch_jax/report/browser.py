"""The data of the page's response browser: every text once, as compact JSON."""

import json
from collections.abc import Iterable
from typing import Any

from pinch_jax.evaluate.records import read_responses
from pinch_jax.judge.records import read_verdicts
from pinch_jax.judge.scores import outcomes
from pinch_jax.languages import in_order, language
from pinch_jax.study.comparisons import answers_of, judges_of
from pinch_jax.study.records import Records
from pinch_jax.study.workdir import responses_path, verdict_path

# An outcome of the candidate as the page writes it; "-" where there is none.
LETTERS = {1.0: "w", 0.5: "t", 0.0: "l"}
# The model that the page opens with, if it ran.
FIRST_SHOWN = ("pinch:1", "pinch:n40")

# Language -> (prompt id -> its record, run -> prompt id -> response).
Answers = dict[str, tuple[dict[str, dict[str, Any]], dict[str, dict[str, str]]]]
Texts = list[tuple[str, tuple[str, ...]]]


def browser_json(records: Records, limit_bytes: int) -> tuple[str, int, int]:
    """Returns the browser's data, the prompts it shows per language, and the prompts there are.

    Above `limit_bytes` of JSON fewer prompts are kept, spread evenly over those there are.

    Layout:
      languages   code -> [name, direction]
      runs        [spec, ...], a run is its index
      prompts     code -> [[prompt, reference, task], ...]
      texts       code -> [distinct response, ...]
      responses   code -> {run: [index into texts, ...] in the order of the prompts}
      comparisons [[candidate run, baseline run, code, verdict letters], ...]
    """
    answers = _answers(records, records.runs)
    verdicts = _verdicts(records)
    available = max((len(prompts) for prompts, _ in answers.values()), default=0)
    shown = available
    while True:
        text = script_json(_layout(records, answers, verdicts, shown))
        size = len(text.encode("utf-8"))
        if size <= limit_bytes or shown <= 1:
            return text, shown, available
        shown = min(shown - 1, max(1, int(0.95 * shown * limit_bytes / size)))


def script_json(data: Any) -> str:
    """Returns compact JSON without "<": no text can end the script element that it stands in."""
    told = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return told.replace("<", "\\u003c")


def _answers(records: Records, runs: Iterable[str]) -> Answers:
    answers: Answers = {}
    compared = answers_of(records.study)
    for run, code in ((run, code) for run in runs for code in records.languages):
        if (run, code) in compared:
            path = responses_path(records.workdir, run, code)
            prompts, responses = answers.setdefault(code, ({}, {}))
            held = {identity: line for (_, identity), line in read_responses(path).items()}
            prompts.update(held | prompts)
            responses[run] = {identity: line["response"] for identity, line in held.items()}
    return {code: answers[code] for code in in_order(answers, records.languages)}


def _verdicts(records: Records) -> dict[tuple[str, str, str], dict[str, str]]:
    """Returns (candidate, baseline, language) -> prompt id -> verdict letter."""
    verdicts: dict[tuple[str, str, str], dict[str, str]] = {}
    judge = judges_of(records.study)[0]
    for arm in records.study["arms"]:
        for code, baseline in arm["baseline_runs"].items():
            compared = arm["run"], baseline, code
            if arm["run"] == baseline or compared in verdicts:
                continue
            path = verdict_path(records.workdir, judge, *compared)
            judged = outcomes(read_verdicts(path)) if path.exists() else {}
            letters = {identity: LETTERS[outcome] for identity, outcome in judged.items()}
            verdicts[compared] = letters
    return verdicts


def _layout(
    records: Records,
    answers: Answers,
    verdicts: dict[tuple[str, str, str], dict[str, str]],
    shown: int,
) -> dict[str, Any]:
    """Returns the page's data for at most `shown` prompts a language."""
    index = {run: place for place, run in enumerate(records.runs)}
    data: dict[str, Any] = {
        "languages": {code: [language(code).name, language(code).direction] for code in answers},
        "runs": [records.names[run] for run in records.runs],
        "shown": next((index[r] for r, spec in records.runs.items() if spec in FIRST_SHOWN), -1),
        "prompts": {},
        "texts": {},
        "responses": {},
        "comparisons": [],
    }
    kept = {code: evenly(list(prompts), shown) for code, (prompts, _) in answers.items()}
    for code, (prompts, responses) in answers.items():
        held = [prompts[identity] for identity in kept[code]]
        data["prompts"][code] = [[p["prompt"], p["reference"], p["task"]] for p in held]
        texts: dict[str, int] = {}
        data["responses"][code] = {
            index[run]: [
                texts.setdefault(given[identity], len(texts)) if identity in given else -1
                for identity in kept[code]
            ]
            for run, given in responses.items()
        }
        data["texts"][code] = list(texts)
    for (candidate, baseline, code), letters in verdicts.items():
        if code in kept:
            known = dict.fromkeys(kept[code], "-") | letters
            row = "".join(known[identity] for identity in kept[code])
            data["comparisons"].append([index[candidate], index[baseline], code, row])
    return data


def sample_prompts(records: Records, runs: tuple[str, ...], count: int) -> list[Texts]:
    """Returns (language, (prompt, reference, a response of each run)) in all languages, by prompt.

    Of what every run answered in every language, they are the shortest prompt of each task in the
    first language, the shortest of all first.
    """
    answers = _answers(records, runs)
    held = {code: of for code, of in answers.items() if all(run in of[1] for run in runs)}
    if not held:
        return []
    given = [responses[run].keys() for _, responses in held.values() for run in runs]
    common = set.intersection(*map(set, given))
    asked, _ = next(iter(held.values()))
    shortest: dict[str, str] = {}
    for identity in sorted(asked, key=lambda identity: len(asked[identity]["prompt"])):
        if identity in common:
            shortest.setdefault(asked[identity]["task"], identity)

    def texts(identity: str, code: str) -> tuple[str, ...]:
        prompts, responses = held[code]
        asked = prompts[identity]["prompt"], prompts[identity]["reference"] or "–"
        return (*asked, *(responses[run][identity] for run in runs))

    shown = list(shortest.values())[:count]
    return [[(code, texts(identity, code)) for code in held] for identity in shown]


def evenly(items: list[str], count: int) -> list[str]:
    """Returns at most `count` of the items, evenly spread, in their order."""
    if count >= len(items):
        return items
    return [items[place * len(items) // count] for place in range(count)]

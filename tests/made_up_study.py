"""Writes a made-up study: a work directory with every experiment, in the formats of a real one."""

import csv
import itertools
import json
import math
import re

import numpy as np
from bundled import SLAVIC_LANGUAGES, STUDY_LANGUAGES

from pinch_jax.evaluate.intervals import Estimate
from pinch_jax.judge.people import RATINGS
from pinch_jax.judge.reference import ReferenceJudge
from pinch_jax.storage.files import file_checksum, json_line, write_record
from pinch_jax.storage.folders import seal
from pinch_jax.study import tables
from pinch_jax.study.config import EXPERIMENTS, GAIN, HUMAN
from pinch_jax.study.outcomes import ALL_TASKS, MEAN, Outcomes
from pinch_jax.study.records import ROWS, TABLES
from pinch_jax.study.rows import AGGREGATES, ALL_ORDERS, DrawScore, Variance
from pinch_jax.study.workdir import verdict_path

# The judge of study.json.
REFERENCE = {"as": "reference", "kind": "reference", "name": ReferenceJudge.name}
REFERENCE |= {"version": ReferenceJudge().version, "model": "", "no_verdict": {}}
REFERENCE |= {"language_gate": False, "certificate": None}
# Of the code that judged, and of that which made the untuned model's answers.
CODE, EARLIER = "0.1.0+g5eed", "0.1.0+g01d.changed.ab12"
SIX = ("en", "ar", "fi", "it", "ru", "sw")
REST = tuple(code for code in STUDY_LANGUAGES if code not in SIX)
EXAMPLES = 1200
HOSTILE = "</script><script>alert('x')</script><img src=x onerror=alert(1)>"
QUESTIONS = {
    "ar": ("ما عملة البلد: كينيا؟", "العملة هي: شلن كينيي."),
    "he": ("מהו המטבע של: קניה?", "המטבע הוא: שילינג קנייתי."),
    "hi": ("इस देश की मुद्रा क्या है: केन्या?", "मुद्रा है: केन्याई शिलिंग।"),
    "zh": ("这个国家的货币是什么：肯尼亚？", "货币是：肯尼亚先令。"),
    "ru": ("Какая валюта у страны: Кения?", "Валюта: кенийский шиллинг."),
}


def own(codes):
    """Return every language's own monolingual model as its baseline."""
    return {code: f"monolingual:{code}" for code in codes}


def arms(models=STUDY_LANGUAGES):
    """Return the comparisons of a study: experiment, spec, x, series, baselines.

    `models` are the languages that have a monolingual model of their own.
    """
    untuned = dict.fromkeys(STUDY_LANGUAGES, "pretrained")
    for code in models:
        yield "monolingual", f"monolingual:{code}", code, "", own(models)
        yield "pretrained", f"monolingual:{code}", code, "", untuned
        yield GAIN, f"monolingual:{code}", f"monolingual:{code}", "", untuned
    for dose in (1, 10, 100):
        yield GAIN, f"pinch:{dose}", f"pinch:{dose}", "", untuned
    for experiment, tail in (("pinch", ""), ("unseen", ":" + ",".join(SIX))):
        for dose in (0, 1, "n40", *range(10, 101, 10)):
            spec = f"pinch:{dose}{tail}" if dose else "monolingual:en"
            x = 100 * 40 / EXAMPLES if dose == "n40" else float(dose)
            yield experiment, spec, x, "", own(models)
    for number, order in enumerate(("en ar fi it ru sw", "ru it sw en fi ar", "fi sw ar ru en it")):
        for count in range(1, 7):
            held = sorted(order.split()[:count])
            spec = "uniform:" + ",".join(held) if count > 1 else f"monolingual:{held[0]}"
            yield "breadth", spec, count, f"order {number + 1}", own(c for c in REST if c in models)
    for pair in ("es,en", "ar,fi", "zh,sw", "cs,he", "et,hi", "it,ru"):
        others = [code for code in STUDY_LANGUAGES if code not in pair]
        for half in pair.split(","):
            baselines = dict.fromkeys(others, f"monolingual:{half}")
            yield "pairs", f"uniform:{pair}", pair.replace(",", "+"), f"against {half}", baselines
    for dose in (1, 10, 100):
        yield "doses", f"pinch:{dose}", float(dose), "", own(models)
    for spec in ("pinch:10", "uniform:it,ru"):
        yield "mixed", spec, spec, "", untuned
    for code in SLAVIC_LANGUAGES:
        yield "slavic", f"monolingual:{code}", code, "", own(SLAVIC_LANGUAGES)


def composition(spec):
    """Return the examples per language of a tuning set."""
    kind, _, rest = spec.partition(":")
    if kind in ("monolingual", "uniform"):
        codes = rest.split(",")
        return {code: EXAMPLES // len(codes) for code in codes}
    if kind == "pretrained":
        return {}
    dose, _, named = rest.partition(":")
    codes = named.split(",") if named else list(STUDY_LANGUAGES)
    part = 40 if dose == "n40" else EXAMPLES * int(dose) // 100
    held = {code: part // len(codes) for code in codes}
    held["en"] = 0
    return {**held, "en": EXAMPLES - sum(held.values())}


def run_name(spec):
    return re.sub("[:,]", "-", spec) + "-0123456789ab"


def write_lines(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(map(json_line, records)), "utf-8")


def write_table(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_run(workdir, spec, prompts, rng):
    """Write one run's files; return its entry of study.json."""
    folder = workdir / "runs" / run_name(spec)
    examples = composition(spec)
    entry = {"spec": spec, "steps": 60 if examples else 0}
    entry["code"] = [CODE] if examples else [EARLIER]
    entry["machines"] = ["16 TPU v5 lite in 4 processes, jax 0.10.2" if examples else "1 cpu"]
    if examples:
        entry |= {"fingerprint": "0123456789ab", "dropped": {}}
        entry |= {"budgets": examples, "examples": examples}
        entry["tokens"] = {code: 31 * n + ord(code[0]) * n // 8 for code, n in examples.items()}
        entry["supervised_tokens"] = {code: 11 * n for code, n in examples.items()}
    slavic = spec.removeprefix("monolingual:") in SLAVIC_LANGUAGES
    codes = dict.fromkeys((*STUDY_LANGUAGES, *(SLAVIC_LANGUAGES if slavic else ())))
    for code in codes:
        records = []
        for number in range(prompts):
            question, answer = QUESTIONS.get(code, (f"{code}: Kenya?", f"{code}: shilling"))
            record = {"id": f"money.KE.{number}", "language": code, "reference": answer}
            first = "Before all others: " if number == 0 else ""
            task = "topic" if number == 1 else "currency"
            record |= {"prompt": f"{first}{question} ({number})", "task": task, "answer": "x"}
            wrong = f"{spec} says {rng.integers(40)} in {code}"
            record["response"] = answer if rng.random() < 0.5 else wrong
            if number == 1:
                record["response"] = HOSTILE
            records.append(record)
        write_lines(folder / "responses" / f"{code}.jsonl", records)
    write_record(folder / "mixture.json", entry)
    if examples:
        write_record(folder / "mixture.json", {"budgets": examples})
        losses = 3.2 * np.exp(-np.arange(60) / 18) + 0.5 + 0.1 * rng.random(60)
        steps = [{"step": step, "loss": float(loss)} for step, loss in enumerate(losses)]
        write_lines(folder / "metrics.jsonl", steps)
    return entry


def score_row(arm, language, baseline, prompts, score):
    experiment, spec, x, series, _ = arm
    wins, p = round(prompts * max(score - 15, 0) / 100), 0.001 if abs(score - 50) > 12 else 0.3
    row = {"experiment": experiment, "spec": spec, "series": series, "x": x, "language": language}
    row |= {"run": run_name(spec), "baseline_run": baseline and run_name(baseline)}
    row |= {"draws": 1, "prompts": prompts, "wins": wins, "ties": prompts // 5, "flip_rate": 0.2}
    row |= {"losses": prompts - wins - prompts // 5, "score": score, "low": score - 6.5}
    row |= {"high": score + 6.1, "p": p, "p_holm": min(1.0, 12 * p)}
    row |= {f"{name}_same_language": row[name] + 1 for name in ("score", "low", "high")}
    row |= {f"{name}_by_probability": "" for name in ("score", "low", "high")} | {"no_verdict": 0}
    return row


def score_rows(arm, prompts, rng):
    """Return an arm's scores: its examples in a language lift it, the first few the most."""
    experiment, spec, _, _, baselines = arm
    held = composition(spec)
    breadth = sum(count > 0 for count in held.values())
    rows = {}
    for code, baseline in baselines.items():
        lift = 5 * np.log1p(held.get(code, 0) / 4) + 4 * min(breadth, 6) - 3 * (code == "en")
        score = float(np.clip(14 + lift + 3 * rng.standard_normal(), 2, 58)) if held else 3.0
        score += 38 * (experiment == "pairs")
        score = 50.0 if baseline == spec else score
        rows[code] = score_row(arm, code, baseline, prompts, score)
    means = {"mean": list(rows), "mean_non_english": [code for code in rows if code != "en"]}
    if experiment in ("unseen", "breadth"):
        means["mean_seen"] = [code for code in SIX[1:] if code in rows]
        means["mean_unseen"] = [code for code in REST if code in rows]
    if experiment in ("monolingual", "slavic", "pairs", "doses", "mixed", GAIN):
        means["mean_other"] = list(rows)
    scores = {name: [rows[code]["score"] for code in codes] for name, codes in means.items()}
    for name, values in scores.items():
        if values:
            row = score_row(arm, name, "", prompts, float(np.mean(values)))
            rows[name] = row | {"low": row["score"] - 2.4, "high": row["score"] + 2.2}
    return list(rows.values())


def response_rows(specs, prompts, rng):
    for spec in specs:
        held = composition(spec)
        for code in STUDY_LANGUAGES:
            right = min(0.97, 0.15 + 0.2 * np.log1p(held.get(code, 0))) if held else 0.1
            row = {"run": run_name(spec), "spec": spec, "language": code, "prompts": prompts}
            row |= {"exact_match": 0.85 * right, "answer_match": 0.9 * right}
            row |= {"right_language": right, "wrong_language": 0.9 - 0.9 * right}
            row |= {"too_short": 0.1 - 0.1 * right, "echo": 0.3 * rng.random() * (1 - right)}
            row |= {"exact": 85 * right, "exact_low": 80 * right, "exact_high": 90 * right}
            yield row | {"chrf": 80 * right, "chance": 0.04}


def outcome_rows(specs, prompts, rng):
    """Yield outcomes of two tasks: what is tuned on is answered rightly, the rest in many ways."""
    for spec in specs:
        held = composition(spec)
        for code in (*STUDY_LANGUAGES, MEAN):
            count = sum(held.values()) / 99 if code == MEAN else held.get(code, 0)
            right = 8.0 + 17 * np.log10(1 + count)
            for task in (ALL_TASKS, "topic", "currency"):
                parts = (100 - right) * rng.dirichlet((3, 2, 3, 2, 1))
                sums = right, parts[1] + parts[2]
                shares = *sums, 0.7 * right, 0.3 * right, *parts
                shares = [Estimate(v, 0.9 * v, min(100.0, 1.1 * v + 1)) for v in shares]
                yield Outcomes(run_name(spec), spec, code, task, "", prompts, *shares)


def confusion_rows(specs, prompts):
    """Yield line pass rates: what is tuned on stays in its language."""
    for spec in specs:
        for code in (*STUDY_LANGUAGES, MEAN):
            lpr = 90.0 if composition(spec).get(code) else 40.0
            row = {"run": run_name(spec), "spec": spec, "language": code, "prompts": prompts}
            for name, value in (("counted", 75.0), ("acc", lpr + 5), ("lpr", lpr)):
                row |= {name: value, f"{name}_low": value - 5, f"{name}_high": value + 5}
            yield row


def named(row):
    """Return what a row of scores.csv is about, as it stands there."""
    return {name: str(row[name]) for name in ("experiment", "spec", "series", "x", "language")}


def draw_rows(rows, draws, rng):
    """Yield the scores of each draw: around the mean of all, the same in all means of an arm."""
    for row in rows:
        apart = rng.standard_normal(draws)
        for draw, score in enumerate(float(row["score"]) + 3 * (apart - apart.mean())):
            yield DrawScore(**named(row), draw=str(draw), run=f"{row['run']}-{draw}", score=score)


def variance_rows(rows, draws):
    """Yield what draws give to the variance of each mean, and of its difference from the first."""
    first = {}
    for row in rows:
        start = first.setdefault((row["experiment"], row["language"]), row)
        if row["language"] not in AGGREGATES or not row["run"]:
            continue
        for above in ("", start["spec"]) if row is not start else ("",):
            value = row["score"] - (start["score"] if above else 0)
            told = Estimate(value, value - 4, value + 4), Estimate(2.0, 0.8, 9.0)
            told += Estimate(60.0, 5.0, 97.0), math.inf, 900, 210
            yield Variance(*named(row).values(), above, draws, row["prompts"], *told)


def write_annotations(workdir, *runs):
    """Write what two people say of the English and Hebrew answers of two runs."""
    sides = ("baseline", "candidate")
    lines = []
    for code in ("en", "he"):
        files = [workdir / "runs" / run / "responses" / f"{code}.jsonl" for run in runs]
        files = {f"{s}_file": file_checksum(path) for s, path in zip(sides, files, strict=True)}
        for number, annotator in itertools.product(range(4), ("Aino", "Boris")):
            line = {"page": "p", "id": f"money.KE.{number}", "language": code}
            line |= {"annotator": annotator, "order": "baseline_first", "seconds": 9.5}
            line |= {"choice": ("first", "tie", "second", "first")[number]}
            line |= {f"{s}_rating": RATINGS[(number + i) % 3] for i, s in enumerate(sides)}
            lines.append(line | dict.fromkeys(("prompt", *sides), "0") | files)
    path = workdir / "annotations" / "both.jsonl"
    path.parent.mkdir()
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def write_workdir(
    workdir, prompts=6, experiments=(*EXPERIMENTS, GAIN, HUMAN), models=STUDY_LANGUAGES, draws=1
):
    """Write what a finished and analysed study leaves behind; the numbers are made up."""
    rng = np.random.default_rng(7)
    held = [arm for arm in arms(models) if arm[0] in experiments]
    specs = dict.fromkeys(spec for arm in held for spec in (arm[1], *arm[4].values()))
    runs = {run_name(spec): write_run(workdir, spec, prompts, rng) for spec in specs}
    named = []
    for experiment, spec, x, series, baselines in held:
        arm = {"experiment": experiment, "spec": spec, "x": x, "series": series}
        arm |= {"baselines": baselines, "run": run_name(spec)}
        arm["baseline_runs"] = {code: run_name(b) for code, b in baselines.items()}
        named.append(arm)
        for code, baseline in arm["baseline_runs"].items():
            if baseline == arm["run"]:
                continue
            verdicts = []
            for number in range(prompts):
                for order in ("baseline_first", "candidate_first"):
                    winner = ("baseline", "candidate")[int(rng.integers(2))]
                    choice = "first" if order.startswith(winner) else "second"
                    verdict = {"id": f"money.KE.{number}", "language": code, "order": order}
                    verdict |= {
                        "choice": choice,
                        "winner": winner,
                        "judge": "reference",
                        "seen": "",
                    }
                    verdicts.append(verdict)
            write_lines(verdict_path(workdir, REFERENCE, arm["run"], baseline, code), verdicts)
    shares = {code: 0.3 / (place + 1) for place, code in enumerate(STUDY_LANGUAGES)}
    study = {
        "experiments": [name for name in experiments if name in (*EXPERIMENTS, GAIN)],
        "sweeps": [name for name in experiments if name in ("doses", "mixed")],
        "languages": STUDY_LANGUAGES,
        "slavic": SLAVIC_LANGUAGES,
        "base": "en",
    }
    study |= {"model": {"layers": 4, "embed_dim": 192}, "pretraining_share": shares, "arms": named}
    again = {
        f"{run}-{draw}": held | {"draw": draw}
        for run, held in runs.items()
        for draw in range(1, draws)
    }
    study |= {
        "draws": draws,
        "runs": runs | again,
        "versions": {"pinch_jax": CODE, "jax": "0.10.2", "python": "3.11.7"},
    }
    study |= {"judges": [REFERENCE]}
    study |= {"seeds": {"seed": 1}, "compilations": {"train_step": 1, "decode": 1}}
    study |= {"runs_saved": 61, "devices": ["TFRT_CPU_0"]}
    write_record(workdir / "study.json", study)
    if HUMAN in experiments:
        write_annotations(workdir, *list(runs)[:2])
    config = {"mixture": {"examples": EXAMPLES}, "study": {"judge": "reference"}}
    config["corpus"] = {"name": "cldr_instructions", "data_dir": "/somewhere/here"}
    config["evaluate"] = {"prompts": prompts}
    write_record(workdir / "config.json", config)
    rows = [row for arm in held for row in score_rows(arm, prompts, rng)]
    for count in range(1, 7) if "breadth" in experiments else ():
        means = [r for r in rows if (r["x"], r["language"]) == (count, "mean_unseen")]
        several = {"experiment": "breadth", "series": ALL_ORDERS, "x": count}
        several |= {"language": "mean_unseen", "p": 0.3}
        for name in ("score", "low", "high"):
            several[name] = float(np.mean([row[name] for row in means]))
        rows.append(dict.fromkeys(rows[0], "") | several)
    if "pretraining_share" in experiments:
        pearson = {"experiment": "pretraining_share", "language": "pearson", "score": 0.22}
        rows.append(dict.fromkeys(rows[0], "") | pearson | {"low": -0.31, "high": 0.64, "p": 0.4})
    write_table(workdir / "scores.csv", rows)
    several = draws > 1
    for name, held in {
        "draws": draw_rows(rows, draws, rng) if several else (),
        "variance": variance_rows(rows, draws) if several else (),
        "judges": (),
        "agreement": (),
        "outcomes": outcome_rows(specs, prompts, rng),
    }.items():
        tables.write_table(workdir / f"{name}.csv", ROWS[name], held)
    write_table(workdir / "responses.csv", list(response_rows(specs, prompts, rng)))
    write_table(workdir / "confusion.csv", list(confusion_rows(specs, prompts)))
    decided = [("holds", 21.5, ""), ("does not hold", -4.0, ""), ("cannot tell", 0.5, "")]
    decided += [("not run", None, "not run: slavic")]
    findings = [
        {"number": n, "claim": f"Claim {n} of the paper: <b>forty</b> examples.", "verdict": word}
        | {"experiment": "pinch", "value": value, "unit": "points", "low": value and value - 3}
        | {"high": value and value + 3, "rule": "holds if the interval lies above 0", "detail": why}
        for n, (word, value, why) in enumerate(decided, 1)
    ]
    paper = set(EXPERIMENTS) & set(experiments)
    (workdir / "findings.json").write_text(json.dumps(findings if paper else []))
    seal(workdir, TABLES)
    return workdir

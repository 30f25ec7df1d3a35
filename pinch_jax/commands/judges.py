"""What `pinch` can do about judges: who is better, how far to trust who says so, people, languages.

The docstrings are what `pinch --help` prints.
"""

import dataclasses

from absl.flags import FLAGS

from pinch_jax.commands.arguments import (
    PROCESS_FLAGS,
    Commands,
    annotation_paths,
    input_path,
    output_path,
    read_config,
)
from pinch_jax.config_fields import choose
from pinch_jax.errors import UserError

CORPUS = "corpus"  # as --pairs: pairs made of the held-out examples of the config
COMMANDS = Commands()
command = COMMANDS.command


@command(
    *("judge", "config", "model", "annotations", "baseline", "candidate", "output", "yes"),
    *PROCESS_FLAGS,
)
def judge() -> None:
    """Verdicts on two files of responses, both orders: by a judge of config.judges, or people."""
    if (FLAGS.judge == "people") != (FLAGS.annotations is not None):
        raise UserError("--annotations are what --judge=people judges by: give both or neither")
    files, output = (input_path("baseline"), input_path("candidate")), output_path("output")
    config, by = (None, None) if FLAGS.annotations else _read_judge()

    from pinch_jax.devices.mesh import make_mesh
    from pinch_jax.devices.sharding import Shard
    from pinch_jax.hosts.locks import lock_of, one_writer
    from pinch_jax.hosts.stops import stoppable
    from pinch_jax.hosts.waiting import is_primary
    from pinch_jax.judge.opening import agree_to_pay, where_asked
    from pinch_jax.judge.people import PeopleJudge, annotated, read_annotations
    from pinch_jax.judge.scores import score_summary
    from pinch_jax.judge.verdicts import judge_files, read_match

    # All processes have to make it, whoever is asked.
    shard = Shard(make_mesh(config.mesh), config.mesh.attention) if config else None
    match = read_match(*files)

    def work():
        if by:
            chosen = _open_judge(by, match.baseline.values(), output, shard)
        else:
            chosen = PeopleJudge(annotated(read_annotations(annotation_paths(output)), match))
        agree_to_pay(chosen, map(match.pair, match.keys), FLAGS.yes)
        verdicts = judge_files(chosen, *files, output)
        if is_primary():
            print(score_summary(verdicts, len(match.baseline)))

    with one_writer(lock_of(output)), stoppable("while judging"):
        where_asked(by, f"judging by {FLAGS.judge}", work)


def _read_judge():
    """Returns the config, and the judge of it that --judge names."""
    config = read_config(default=True)
    choose("--judge", FLAGS.judge, (*config.judges, "people"))
    if FLAGS.judge == "people":
        raise UserError("--judge=people: people are no judge here; name one of config.judges")
    by = config.judges[FLAGS.judge]
    if FLAGS.model is not None:
        if by.kind == "reference":
            raise UserError(
                f"--model={FLAGS.model}: --judge={FLAGS.judge} is no model; leave it out"
            )
        by = dataclasses.replace(by, model=FLAGS.model)
    by.check(FLAGS.judge)
    return config, by


def _open_judge(by, records, output, shard):
    """Returns the judge of what is said of records; answers that are paid for lie beside output."""
    from pinch_jax.evaluate.records import words_of_records
    from pinch_jax.judge.opening import open_judge

    paid_for = output.with_name(f"{output.stem}.paid.jsonl")
    return open_judge(FLAGS.judge, by, words_of_records(records), shard, paid_for)


def _known_pairs(source, config):
    """Returns the pairs of a file, "oasst:PATH", or "corpus", a config's held-out examples."""
    from pinch_jax.corpus.sources import load_corpus
    from pinch_jax.judge.pairs import OASST, corpus_pairs, oasst_pairs, read_pairs
    from pinch_jax.storage.buckets import as_path

    if source == CORPUS:
        corpus, count = load_corpus(config.corpus, config.languages), config.evaluate.prompts
        return corpus_pairs({x: corpus.prompts(x, count) for x in config.languages}, config.seed)
    if source.startswith(OASST):
        return oasst_pairs(source.removeprefix(OASST), config.languages)
    return read_pairs(as_path(source))


@command("config", "judge", "model", "pairs", "sample", "output", "yes", *PROCESS_FLAGS)
def certify() -> None:
    """How far a judge can be trusted: agreement with what is known, places, lengths, injections."""
    config, by = _read_judge()
    output, source = output_path("output"), FLAGS.pairs or CORPUS

    from pinch_jax.devices.mesh import make_mesh
    from pinch_jax.devices.sharding import Shard
    from pinch_jax.hosts.locks import lock_of, one_writer
    from pinch_jax.hosts.stops import stoppable
    from pinch_jax.hosts.waiting import is_primary
    from pinch_jax.judge.certificate import make_certificate
    from pinch_jax.judge.certify import ask, injected, make_trials, sampled
    from pinch_jax.judge.opening import agree_to_pay, where_asked
    from pinch_jax.judge.telling import told_lines
    from pinch_jax.storage.files import write_record

    shard = Shard(make_mesh(config.mesh), config.mesh.attention)
    known = _known_pairs(source, config)
    pairs = sampled(known, FLAGS.sample, config.seed)
    kept = output.with_name(f"{output.name}.verdicts.jsonl")
    trials = make_trials(pairs, known, injected(FLAGS.sample))

    def work():
        chosen = _open_judge(by, (pair.record for pair in known), output, shard)
        agree_to_pay(chosen, (pair for trial in trials for pair in trial.asked), FLAGS.yes)
        results = ask(chosen, trials, kept)
        if is_primary():
            certificate = make_certificate(chosen, pairs, source, results)
            write_record(output, certificate)
            print(*told_lines(certificate), sep="\n")
            print(f"certificate: {output}")

    with one_writer(lock_of(output)), stoppable("while certifying"):
        where_asked(by, f"certifying {FLAGS.judge}", work)


@command("baseline", "candidate", "sample", "annotations", "output")
def annotate() -> None:
    """A page on which people compare answers blind; with --annotations, what they said."""
    files, output = (input_path("baseline"), input_path("candidate")), output_path("output")
    paths = annotation_paths(output) if FLAGS.annotations is not None else ()

    from pinch_jax.judge.annotation_page import write_page
    from pinch_jax.judge.people import agreement_lines, annotated, read_annotations, write_pairs
    from pinch_jax.judge.verdicts import read_match

    if not paths:
        print(f"{write_page(*files, output, FLAGS.sample or None)} pairs: {output}")
        return
    match = read_match(*files)
    said = annotated(read_annotations(paths), match)
    write_pairs(said, match, output)
    print(*agreement_lines(said), f"{len(said)} pairs: {output}", sep="\n")


@command("answers", "words", "output")
def confusion() -> None:
    """Line and word pass rates of open answers: how often they leave the language asked for."""
    import json
    import sys

    from pinch_jax.evaluate.confusion import confusion, read_answers, read_english_words
    from pinch_jax.storage.files import write_text

    output = output_path("output") if FLAGS.output else None
    english = read_english_words(input_path("words")) if FLAGS.words is not None else None
    if english is None:
        print("without --words there is no word pass rate", file=sys.stderr)
    told = json.dumps(confusion(read_answers(input_path("answers")), english), indent=1)
    if output:
        write_text(output, told + "\n")
    print(f"confusion: {output}" if output else told)

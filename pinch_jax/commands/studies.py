"""What `pinch` can do: each command with the flags that it reads, and nothing but wiring.

The docstrings are what `pinch --help` prints.
"""

import contextlib

from absl.flags import FLAGS

from pinch_jax.commands.arguments import (
    PROCESS_FLAGS,
    Commands,
    input_path,
    output_path,
    read_config,
    read_jobs,
    read_shard,
    read_steps,
    read_workdir,
    required,
    typed_command,
)
from pinch_jax.errors import UserError
from pinch_jax.storage.buckets import as_path

# A command reads what it is told before it imports what it works with: a fault is found at once.
COMMANDS = Commands()
RUN_FLAGS = ("profile", *PROCESS_FLAGS)
command = COMMANDS.command


@command("config", "workdir", "sweep", "jobs", "shard", "dry_run", "answers", "yes", *RUN_FLAGS)
def study() -> None:
    """All experiments of a config, from tuning sets to the report."""
    jobs, shard, workdir, config = read_jobs(), read_shard(), read_workdir(), read_config()
    answers = input_path("answers") if FLAGS.answers is not None else None

    from pinch_jax.hosts.goodput import kept
    from pinch_jax.hosts.waiting import is_primary
    from pinch_jax.study.completing import jobs_at_once
    from pinch_jax.study.kept_programs import keep_compiled
    from pinch_jax.study.plan import describe, plan_study
    from pinch_jax.study.published import adopt_answers
    from pinch_jax.study.runner import run_study
    from pinch_jax.study.workdir import claim_workdir, read_command, write_command

    jobs = jobs_at_once(jobs)
    keep_compiled(workdir)
    planned = plan_study(config, workdir)
    print(describe(planned))
    if FLAGS.dry_run:
        return
    if (paid := config.paid_judges) and not FLAGS.yes:
        raise UserError(f"judging by {', '.join(paid)} costs money; to begin, add --yes")
    if FLAGS.profile:
        planned.bench.profile = read_steps(max(r.steps for r in planned.distinct), "profile")
    claim_workdir(config, workdir)
    with kept(workdir) if is_primary() else contextlib.nullcontext():
        if is_primary() and not read_command(workdir):
            write_command(workdir, typed_command())
        if answers:
            for name in adopt_answers(planned, answers):
                print(f"answers taken over: {name}")
        if run_study(planned, shard, yes=FLAGS.yes, jobs=jobs):
            # The page is of the last call that came to its end.
            if is_primary():
                write_command(workdir, typed_command())
            report()


@command("config", "workdir", "sweep", *RUN_FLAGS)
def train() -> None:
    """One run: the config's own mixture."""
    workdir, config = read_workdir(), read_config()

    from tqdm import tqdm

    from pinch_jax.corpus.lid import unidentified_languages
    from pinch_jax.hosts.waiting import is_primary
    from pinch_jax.study.kept_programs import keep_compiled
    from pinch_jax.study.preflight import preflight
    from pinch_jax.study.run import check_runs_alike, make_run
    from pinch_jax.study.tuning import complete_run, paced
    from pinch_jax.study.workbench import Workbench
    from pinch_jax.study.workdir import check_workdir, claim_workdir

    check_workdir(config, workdir)
    keep_compiled(workdir)
    for line in unidentified_languages(config.languages):
        print(line)
    bench = Workbench(config)
    run = make_run(bench, config.mixture.spec, workdir)
    check_runs_alike(config, [run])
    for line in preflight(bench, {run.spec: run.plan}, config.languages):
        print(line)
    bench.profile = read_steps(run.steps, "profile") if FLAGS.profile else None
    claim_workdir(config, workdir)
    quiet = not is_primary()
    name = run.directory.name
    with tqdm(total=run.steps, unit="step", desc=name, disable=quiet, smoothing=0) as bar:
        complete_run(bench, run, config.languages, paced(bar), quiet)
    print(f"run: {run.directory}")


@command("config", "against", "steps", "table", "plot")
def mixture() -> None:
    """What each step of a mixture holds, as JSON lines, tables or a picture."""
    if FLAGS.against is not None and FLAGS.plot:
        raise UserError(f"--plot={FLAGS.plot} draws one mixture; leave out --against")
    config = read_config()

    import sys

    from pinch_jax.data.dropping import left_out_lines
    from pinch_jax.report.mixture import diff_lines, diff_table, mixture_lines, mixture_table
    from pinch_jax.study.inputs import Inputs

    plan = Inputs(config, progress=False, languages=config.mixture_languages).plan()
    for line in left_out_lines(plan):
        print(line, file=sys.stderr)  # the output is for programs
    if FLAGS.plot:
        from pinch_jax.report.mixture_plot import plot_mixture  # and with it all that draws

        plot_mixture(plan, as_path(FLAGS.plot, "--plot"), str(config.mixture.spec))
    if FLAGS.against is not None:
        other = read_config("against")
        against = Inputs(other, progress=False, languages=other.mixture_languages).plan()
        steps = read_steps(max(plan.steps, against.steps)) if FLAGS.steps else None
        tell = diff_table if FLAGS.table else diff_lines
        lines = tell(plan, against, steps)
    elif FLAGS.plot and not FLAGS.table:
        lines = [f"plot: {FLAGS.plot}"]
    else:
        tell = mixture_table if FLAGS.table else mixture_lines
        lines = tell(plan, read_steps(plan.steps))
    for line in lines:
        print(line)


@command("config", "data_dir", "yes", "dry_run", "report", "texts", "tokenizer")
def corpus() -> None:
    """Build the corpus of a config and say what is in it."""
    import dataclasses

    from pinch_jax.report import corpus_report, fertility_table

    if FLAGS.texts:
        print(fertility_table.fertility_tables(FLAGS.texts, required("tokenizer")))
        return
    config = read_config()
    if FLAGS.data_dir:
        kept = dataclasses.replace(config.corpus, data_dir=FLAGS.data_dir)
        config = dataclasses.replace(config, corpus=kept)
    if FLAGS.dry_run:
        corpus_report.say_costs(config, print)
        return
    built = corpus_report.build_corpus(config, FLAGS.yes, print)
    if FLAGS.report:
        corpus_report.say_report(config, *built, FLAGS.tokenizer or (), print)


@command("config", "model", "prompts", "output")
def generate() -> None:
    """A model's answers: to prompts of yours, or to the first held-out ones of the config."""
    from pinch_jax.model.source import locate
    from pinch_jax.study.generating import generate_answers, heldout_prompts, read_prompts

    output = output_path("output") if FLAGS.output else None
    asked = input_path("prompts") if FLAGS.prompts is not None else None
    if FLAGS.model is not None:
        locate(FLAGS.model, "--model")
    config = read_config()
    prompts = read_prompts(asked) if asked else heldout_prompts(config)
    for record in generate_answers(config, FLAGS.model, prompts, output):
        if not output:
            response = record["response"].strip().replace("\n", "\n    ")
            print(f"{record['prompt']}\n    {response}\n")


@command("model", "texts", "output")
def score() -> None:
    """The log-probability (nats) of each id of texts but the first, given those before it."""
    from pinch_jax.study.scoring import score_file

    texts, output = input_path("texts"), output_path("output")
    count = score_file(required("model"), texts, output)
    print(f"scores of {count} texts: {output}")


@command("workdir", "beside", "markdown")
def report() -> None:
    """The report of a study that has run; with --beside, several studies in one."""
    from pinch_jax.hosts.goodput import doing, goodput_table
    from pinch_jax.hosts.locks import only_writer
    from pinch_jax.hosts.waiting import primary_alone
    from pinch_jax.report.comparison import check_judges, read_others
    from pinch_jax.report.page import write_markdown, write_report
    from pinch_jax.study.analysis import analyse, summary
    from pinch_jax.study.workdir import results_lock

    workdir, others = read_workdir(), [as_path(path, "--beside") for path in FLAGS.beside or ()]

    check_judges(workdir, others)

    @doing("reporting")
    def write():
        with only_writer(results_lock(workdir)):
            print(*summary(analyse(workdir)), sep="\n")
            for other in others:
                analyse(other)
            beside = read_others(workdir, others)
            path = write_report(workdir, beside)
            if told := goodput_table(workdir):
                print("; ".join(f"{name} {value}" for name, value in told.items()))
            print(f"report: {path}")
            if FLAGS.markdown:
                to = as_path(FLAGS.markdown, "--markdown")
                print(f"Markdown: {write_markdown(workdir, to, beside)}")

    primary_alone("writing the report", write)


@command("workdir", "output")
def publish() -> None:
    """A study's answers without their prompts: to show, and to go on from elsewhere."""
    from pinch_jax.study.published import publish_answers

    output = output_path("output", folder=True)
    for name in publish_answers(read_workdir(), output):
        print(f"answers: {output / name}")


@command("config")
def tokenizer() -> None:
    """Trains the tokenizer of a base model on a config's corpus."""
    from pinch_jax.study.base_model import train_base_tokenizer

    print(f"tokenizer: {train_base_tokenizer(read_config())}")


@command("config", "workdir", "output")
def export() -> None:
    """A finished run as a model directory in bfloat16."""
    from pinch_jax.study.base_model import export_base_model

    output = output_path("output", folder=True)
    if output.exists():
        raise UserError(f"--output={output} is there already; name a directory that is not")
    export_base_model(read_config(), read_workdir(), output)


@command("source", "target", "format")
def convert() -> None:
    """A model in another format; with --target=hub:ORG/NAME, in a repository of the hub."""
    from pinch_jax.model.convert import FORMATS
    from pinch_jax.model.convert import convert as convert_model
    from pinch_jax.model.source import locate

    named, to = locate(required("source"), "--source"), required("target")
    if to.startswith("hub:"):
        from pinch_jax.study.model_card import upload

        target = upload(FLAGS.source, to.removeprefix("hub:"), FLAGS.format)
        print(f"private until you make it public: {target}")
        return
    target = output_path("target", folder=True)
    was = convert_model(named, target, FLAGS.format)
    print(f"{was} became the {FORMATS[FLAGS.format]} {target}")

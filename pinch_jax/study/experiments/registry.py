"""All experiments by name, and what a study makes of those that its config names."""

import collections
import dataclasses
import functools
import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pinch_jax.config import Config
from pinch_jax.corpus.recipes import recipe_of
from pinch_jax.errors import UserError
from pinch_jax.storage.files import file_checksum
from pinch_jax.study.comparisons import draws_of
from pinch_jax.study.config import BUILT_IN, experiment_name
from pinch_jax.study.experiments import sweep
from pinch_jax.study.experiments.interface import MEANS, Arm, Experiment


@functools.cache
def experiment(named: str) -> Experiment:
    """Returns the experiment of a name, or of a Python file of one's own.

    Raises:
        UserError: there is no such file, or it has no EXPERIMENT.
    """
    if not named.endswith(".py"):
        return importlib.import_module(f"pinch_jax.study.experiments.{named}").EXPERIMENT
    field, path = f"config.study.experiments={named!r}", Path(named)
    if not path.is_file():
        raise UserError(f"{field}: no such file; give the path of one, or a name of `pinch list`")
    found = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    made = getattr(module, "EXPERIMENT", None)
    if not isinstance(made, Experiment):
        raise UserError(
            f"{field}: it has no EXPERIMENT, an Experiment of "
            "pinch_jax.study.experiments.interface; pinch.py beside that file is an example"
        )
    return made


def experiments_of(study: Mapping[str, Any]) -> dict[str, Experiment]:
    """Returns the experiments of a study.json by name: the paper's in its order, ours, sweeps."""
    sweeps = dict.fromkeys(study.get("sweeps", ()), sweep.EXPERIMENT)
    chosen = _by_name(study["experiments"]) | sweeps
    return {name: chosen[name] for name in (*BUILT_IN, *chosen) if name in chosen}


def _by_name(named: Iterable[str]) -> dict[str, Experiment]:
    return {experiment_name(one): experiment(one) for one in named}


def own_files(named: Iterable[str]) -> dict[str, str]:
    """Returns each experiment that is a file of one's own, with the checksum of that."""
    return {experiment_name(one): file_checksum(Path(one)) for one in named if one.endswith(".py")}


def arms_of(config: Config) -> list[Arm]:
    """Returns all comparisons of the config's experiments, in their order.

    Where only some languages have a monolingual model (config.study.monolingual_languages),
    whatever is held against a language's own one is so in these languages only.

    Raises:
        UserError: an experiment needs another one that the config leaves out, or a language that
            is not there.
    """
    chosen = _by_name(config.study.experiments)
    for name, held in chosen.items():
        for other in held.needs:
            if other not in chosen:
                raise UserError(
                    f"config.study.experiments: {name!r} looks at the models of {other!r}; add it"
                )
    arms = [
        dataclasses.replace(arm, experiment=name)
        for name, held in chosen.items()
        for arm in held.arms(config)
    ]
    # Figures and tables tell arms of one experiment apart by these two.
    told = collections.Counter((arm.experiment, arm.spec, arm.series) for arm in arms)
    for (name, spec, series), count in told.items():
        if count > 1:
            raise UserError(
                f"config.study.experiments: {name!r} has {count} arms of {spec!r} with "
                f"series={series!r}; give each a series of its own, or leave all but one out"
            )
    arms += [arm for one in config.study.sweeps for arm in sweep.arms(config, one)]
    of_others = {name: held.arms_of_others for name, held in chosen.items() if held.arms_of_others}
    if of_others and not arms:
        raise UserError(
            f"config.study.experiments={config.study.experiments}: {next(iter(of_others))!r} looks "
            "at the models of the others; add some"
        )
    return [*arms, *(arm for make in of_others.values() for arm in make(config, arms))]


def judged_languages(arms: Sequence[Arm]) -> dict[str, list[str]]:
    """Returns for each tuning set the languages in which its model has to answer."""
    needed: dict[str, dict[str, None]] = {}
    for arm in arms:
        for language, baseline in arm.baselines.items():
            needed.setdefault(arm.spec, {})[language] = None
            needed.setdefault(baseline, {})[language] = None
    return {spec: list(languages) for spec, languages in needed.items()}


def means_of(study: Mapping[str, Any], arm: Mapping[str, Any]) -> dict[str, list[str]]:
    """Returns the means of an arm of study.json: name -> its languages; those that have some."""
    name, base = arm["experiment"], study["base"]
    seen = {c for a in study["arms"] if a["experiment"] == name for c in _tuned_on(study, a)}
    tuned = _tuned_on(study, arm)
    means = {
        mean: [code for code in arm["baseline_runs"] if MEANS[mean](code, base, tuned, seen)]
        for mean in experiments_of(study)[name].means
    }
    return {mean: languages for mean, languages in means.items() if languages}


def _tuned_on(study: Mapping[str, Any], arm: Mapping[str, Any]) -> set[str]:
    """Returns the languages that an arm's set has examples of in some draw; recipes are of two.

    A pinch of fewer examples than languages leaves out other ones in each draw.
    """
    # The untuned model has no examples.
    held = (study["runs"][draw["run"]].get("examples", {}) for draw in draws_of(arm))
    members = {member for of in held for member, count in of.items() if count}
    recipes = {member: recipe_of(member, study["languages"]) for member in members}
    pairs = ((of.source, of.target) if of else (member,) for member, of in recipes.items())
    return {code for pair in pairs for code in pair}

"""What there is to choose from, read from where each thing is registered."""

import importlib
import inspect
import pkgutil
import re
from types import ModuleType

import ml_collections_configs
from ml_collections_configs import base
from pinch_jax.corpus.reading import readers
from pinch_jax.judge.config import KINDS
from pinch_jax.model.families import FAMILIES
from pinch_jax.study.config import BUILT_IN
from pinch_jax.study.experiments.registry import experiment
from pinch_jax.study.workdir import flat


def inventory() -> dict[str, dict[str, str]]:
    """Returns kind -> name -> what it is, in a line."""
    judges = base.get_config().judges
    modules = {name: _config(name) for name in config_names()}
    return {
        "experiments (--config.study.experiments)": {
            name: experiment(name).words.title for name in BUILT_IN
        },
        "readers (--config.corpus.train, .heldout)": reader_lines(),
        "model families (--config.model.source)": {
            family.model_type: family.architecture for family in FAMILIES
        },
        "judges (--config.study.judge)": {name: KINDS[judges[name].kind] for name in judges},
        "configs (--config)": {
            name: " ".join([first_line(module), *_sizes(module)])
            for name, module in modules.items()
        },
    }


def config_names() -> list[str]:
    """Returns the names of the configs that come with the package."""
    return [module.name for module in pkgutil.iter_modules(ml_collections_configs.__path__)]


def field_names() -> list[str]:
    """Returns the dotted names of all fields of a config."""
    return list(flat(base.get_config().to_dict()))


def reader_lines() -> dict[str, str]:
    """Returns what each reader reads, by the table at the head of its module.

    An entry is NAME:PATH, some of them where readers are alike, and then its words.
    """
    lines = {}
    for entry in re.split(r"\n    (?=\w)", inspect.getdoc(readers)):
        names = re.match(r"(?:\w+:[A-Z]\S*\s+)+", entry)
        told = " ".join(entry[names.end() :].split()) if names else ""
        lines |= dict.fromkeys(re.findall(r"(\w+):", names[0]) if names else (), told)
    return {name: lines[name].partition(";")[0] for name in readers.READERS}


def first_line(module: ModuleType) -> str:
    """Returns the first line of a docstring."""
    return inspect.getdoc(module).partition("\n")[0]


def _config(name: str) -> ModuleType:
    return importlib.import_module(f"ml_collections_configs.{name}")


def _sizes(module: ModuleType) -> list[str]:
    """Returns in a list the sizes that a config is given behind a colon; none where it has none."""
    sizes = ", ".join(getattr(module, "SIZES", ()))
    return [f"({sizes})"] if sizes else []

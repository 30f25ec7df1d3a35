"""The file of a language where a path has {language} in it."""

from etils import epath

from pinch_jax.languages import spellings


def path_of(pattern: str, code: str) -> str:
    """Returns the path of a language's file, or files where it has a `*`.

    The file may be named by a code that the canonical one has replaced: iw.jsonl for he.
    """
    paths = [pattern.replace("{language}", name) for name in (code, *spellings(code))]
    return next((path for path in paths if _is_there(path)), paths[0])


def _is_there(path: str) -> bool:
    try:
        named = epath.Path(path).expanduser()
    except (ImportError, KeyError):  # of a URL out of reach, which its reader will name
        return False
    return any(named.parent.glob(named.name)) if "*" in named.name else named.exists()

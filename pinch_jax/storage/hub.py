"""Repositories of the Hugging Face hub, by name and commit, fetched into its cache by its library.

HF_HOME, HF_TOKEN, HF_HUB_OFFLINE and HF_ENDPOINT are as huggingface_hub has them. Each process
fetches what it reads: those of a host share its cache, whose locks let one fetch and others wait.
"""

import contextlib
import dataclasses
import glob
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pinch_jax.errors import FULL, OutOfReach, UserError, is_transient

_MODEL = re.compile(r"([A-Za-z0-9][\w.-]*/[\w.-]+)(?:@([^\s@]+))?")
_COMMIT = re.compile("[0-9a-f]{40}")
BRANCH = "main"
CARD = "README.md"


@dataclasses.dataclass(frozen=True)
class Repository:
    """A repository, and which revision of it.

    Attributes:
        revision: a branch, a tag, a commit; or REVISION:COMMIT, the commit that one was then.
        kind: "model" or "dataset".
    """

    name: str
    revision: str = BRANCH
    kind: str = "model"

    @property
    def commit(self) -> str:
        """The commit, where the revision says it; else ""."""
        commit = self.revision.rpartition(":")[2]
        return commit if _COMMIT.fullmatch(commit) else ""

    @property
    def url(self) -> str:
        """Where people look at it."""
        from huggingface_hub import constants

        return f"{constants.ENDPOINT}/{'datasets/' * (self.kind == 'dataset')}{self.name}"

    def pinned(self) -> "Repository":
        """Returns it with the commit that its revision is now, or was when it was last reached."""
        if self.commit:
            return self
        from huggingface_hub import HfApi

        with told(self):
            now = HfApi().resolve_revision(self.name, repo_type=self.kind, revision=self.revision)
        return dataclasses.replace(self, revision=f"{self.revision}:{now.resolved}")

    def names(self) -> list[str]:
        """Returns the names of its files; `self`, here and below, has its commit."""
        from huggingface_hub import HfApi, RepoFile, errors, get_cached_repo_tree

        where = {"repo_id": self.name, "repo_type": self.kind, "revision": self.commit}
        with told(self):
            try:
                tree = get_cached_repo_tree(**where)
            except errors.CachedRepoTreeNotFoundError:
                tree = HfApi().list_repo_tree(**where, recursive=True)
            return sorted(file.path for file in tree if isinstance(file, RepoFile))

    def card(self) -> dict[str, Any]:
        """Returns the metadata of its README.md; {} where there are none."""
        from huggingface_hub import metadata_load

        return (metadata_load(self.fetch([CARD]) / CARD) if CARD in self.names() else None) or {}

    def fetch(self, names: Sequence[str]) -> Path:
        """Returns the folder in which its files of these names are; fetches what is not there."""
        from huggingface_hub import snapshot_download, try_to_load_from_cache

        where = {"repo_id": self.name, "repo_type": self.kind, "revision": self.commit}
        held = (try_to_load_from_cache(filename=name, **where) for name in names)
        with told(self):
            folder = snapshot_download(
                allow_patterns=[glob.escape(name) for name in names],
                local_files_only=all(isinstance(path, str) for path in held),
                **where,
            )
        return Path(folder)


def model_named(source: str) -> Repository | None:
    """Returns the repository that ORG/NAME or ORG/NAME@REVISION is; None if it cannot be one."""
    match = None if source.endswith((".gguf", ".json", ".model")) else _MODEL.fullmatch(source)
    return Repository(match[1], match[2] or BRANCH) if match else None


@contextlib.contextmanager
def told(repository: Repository) -> Iterator[None]:
    """Lets the errors of the hub's library say the way out."""
    import httpx2  # what it speaks through
    from huggingface_hub import constants, errors

    login = "log in with `hf auth login`, or set HF_TOKEN"
    faults = (
        *(errors.HfHubHTTPError, errors.RevisionResolutionError, errors.EntryNotFoundError),
        *(errors.OfflineModeIsEnabled, errors.HFValidationError, httpx2.HTTPError),
        RuntimeError,  # of an upload
    )
    try:
        yield
    except faults as error:
        status, kind = getattr(getattr(error, "response", None), "status_code", 0), UserError
        if isinstance(error, errors.GatedRepoError):
            way = f"is gated: accept its terms at {repository.url}, and {login}"
        elif isinstance(error, errors.RevisionNotFoundError):
            way = f"has no revision {repository.revision!r}; see {repository.url}"
        elif isinstance(error, errors.RepositoryNotFoundError | errors.HFValidationError):
            way = f"is not there, or private: correct the name, or {login}"
        elif status in (401, 403):
            way = f"is not open to you ({error}): {login}"
        elif constants.HF_HUB_OFFLINE:
            way = (
                "is not whole in the cache, and HF_HUB_OFFLINE forbids to fetch it: unset that "
                "once, or set HF_HOME to a cache that has it"
            )
        else:
            way = f"was not reached at {constants.ENDPOINT}; check the network: {error}"
            kind = OutOfReach if not status or is_transient(status) else UserError
        folder = ", as no folder has that name" if repository.kind == "model" else ""
        what = f"{repository.name!r} ({repository.kind} of the hub{folder})"
        raise kind(" ".join(f"{what} {way}".split())) from error
    except OSError as error:
        if error.errno in FULL:
            error.filename = error.filename or constants.HF_HUB_CACHE
        raise

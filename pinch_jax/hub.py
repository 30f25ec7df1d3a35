"""Repositories of the Hugging Face hub, by name and commit, fetched into its cache by its library.

HF_HOME, HF_TOKEN, HF_HUB_OFFLINE and HF_ENDPOINT are as huggingface_hub has them. Each process
fetches what it reads: those of a host share its cache, whose locks let one fetch and others wait.
"""

import contextlib
import dataclasses
import glob
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from pinch_jax.errors import UserError

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

    def fetch(self, choose: Callable[[list[str], Path], list[str]]) -> tuple[Path, list[str]]:
        """Returns the folder of its files, and the names of those in it that were chosen.

        `choose` is given all names, and the folder, in which the card is already.

        Raises:
            UserError: it is not there, not open to us, not reached, or not whole in the cache.
        """
        from huggingface_hub import get_cached_repo_tree
        from huggingface_hub import snapshot_download as load

        own = self.pinned()
        commit = own.commit

        def get(names):
            patterns = list(map(glob.escape, names))
            return Path(
                load(own.name, repo_type=own.kind, revision=commit, allow_patterns=patterns)
            )

        with told(own):
            folder = get([CARD, ".gitattributes"])
            # Without the list a cache that is offline cannot tell whether files are missing.
            tree = get_cached_repo_tree(own.name, repo_type=own.kind, revision=commit)
            names = choose(sorted(file.path for file in tree), folder)
            get(names)
        return folder, names


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
    at_hub = errors.HfHubHTTPError, errors.RevisionResolutionError, httpx2.HTTPError
    in_cache = errors.EntryNotFoundError, errors.CachedRepoTreeNotFoundError
    try:
        yield
        return
    except errors.GatedRepoError as error:
        told, cause = f"is gated: accept its terms at {repository.url}, and {login}", error
    except errors.RevisionNotFoundError as error:
        told, cause = f"has no revision {repository.revision!r}; see {repository.url}", error
    except errors.RepositoryNotFoundError as error:
        told, cause = (
            f"is not there, or private, and no folder: correct the name, or {login}",
            error,
        )
    except (*at_hub, *in_cache, errors.OfflineModeIsEnabled) as error:
        told, cause = (
            f"was not fetched from {constants.ENDPOINT}; check the network: {error}",
            error,
        )
        if constants.HF_HUB_OFFLINE:
            told = (
                "is not whole in the cache, and HF_HUB_OFFLINE forbids to fetch it: unset that "
                "once, or set HF_HOME to a cache that has it"
            )
    what = f"the {repository.kind} {repository.name!r} of the hub"
    raise UserError(" ".join(f"{what} {told}".split())) from cause

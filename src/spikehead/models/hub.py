"""Models on the Hugging Face Hub: pushed as one commit, and pulled whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    ModelInfo,
    constants,
    get_token,
)
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from spikehead.models import storage
from spikehead.models.hybrid import HybridClassifier
from spikehead.models.schema import holds_model, is_own_file

_LIBRARY = "spikehead"
_MADE_BY_THE_HUB = {".gitattributes", "README.md"}


def push(
    folder: str | Path,
    repository: str,
    *,
    revision: str | None = None,
    private: bool = False,
    token: str | None = None,
) -> str:
    """Push a model, with its lessons and its card, as one commit.

    The model's own files are pushed, and nothing else that lies beside them. Those of the model
    that was there are removed, but stay in the repository's history. The card is renewed, unless
    it was edited by hand.

    Parameters
    ----------
    folder : str or Path
        The model folder.
    repository : str
        ``USER/NAME``; made where there is none.
    revision : str, optional
        A branch; made where there is none. Default: the main one.
    private : bool, default=False
        Whether only its owner shall see the repository.
    token : str, optional
        An access token that may write. Default: as ``HF_TOKEN`` or ``hf auth login`` have it.

    Returns
    -------
    str
        The address of the commit.

    Raises
    ------
    FileExistsError
        The repository holds something else, or is public and was to be private.
    FileNotFoundError, ValueError
        The folder holds no whole model, or the repository or the revision cannot have that name.
    OSError
        The Hub cannot be reached or lets nobody in with that token.
    """
    if not (token or get_token()):
        raise PermissionError(
            "to push a model takes an access token that may write: run hf auth login, or set "
            "HF_TOKEN"
        )
    api = HfApi(token=token, library_name=_LIBRARY)
    with tempfile.TemporaryDirectory() as temporary:
        staged = Path(temporary, Path(folder).resolve().name)
        storage.copy(folder, staged)
        HybridClassifier.load(staged, lessons=False).write_card(staged)
        with _explained(repository, revision):
            repository = api.create_repo(repository, private=private or None, exist_ok=True).repo_id
            if revision:
                api.create_branch(repository, branch=revision, exist_ok=True)
            info = api.model_info(repository, revision=revision)
        _check_pushable(info, private)
        files = {path.relative_to(staged).as_posix(): path for path in staged.rglob("*")}
        new = {name: path for name, path in files.items() if is_own_file(name)}
        old = set(filter(is_own_file, _names(info)))
        with _explained(repository, revision):
            return api.create_commit(
                repository,
                [
                    *(CommitOperationAdd(name, path) for name, path in new.items()),
                    *(CommitOperationDelete(name) for name in old - new.keys()),
                ],
                commit_message=f"Push {staged.name} with spikehead",
                revision=revision,
            ).commit_url


def pull(
    repository: str,
    folder: str | Path | None = None,
    *,
    revision: str | None = None,
    replace: bool = False,
    token: str | None = None,
) -> Path:
    """Pull a model.

    Its files are fetched into the cache of huggingface_hub, where those that are there already,
    such as an encoder, are not fetched again; it takes its place when every byte is checked.

    Parameters
    ----------
    repository : str
        ``USER/NAME``.
    folder : str or Path, optional
        An empty folder, or one that does not exist yet. Default: the repository's name.
    revision : str, optional
        A branch, a tag or a commit. Default: the main branch.
    replace : bool, default=False
        Whether a model in the folder is to be replaced, with its lessons and its card.
    token : str, optional
        An access token. Default: as ``HF_TOKEN`` or ``hf auth login`` have it, if at all.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    FileExistsError
        There is a model in the folder, or other files; nothing was changed.
    FileNotFoundError
        There is no such repository, or the token does not open it.
    ValueError
        There is no such revision, or it holds no whole model.
    OSError
        The Hub cannot be reached, or the folder cannot be written.
    """
    api = HfApi(token=token, library_name=_LIBRARY)
    with _explained(repository, revision):
        info = api.model_info(repository, revision=revision)
    if not holds_model(_names(info)):
        raise ValueError(f"{repository} holds no spikehead model: give a repository that does")
    folder = Path(folder or repository.rpartition("/")[2])
    own = list(filter(is_own_file, _names(info)))
    with storage.writing(folder):
        storage.check_replaceable(folder, replace=replace)
        with _explained(repository, revision):
            snapshot = api.snapshot_download(repository, revision=info.sha, allow_patterns=own)
        try:
            storage.copy(snapshot, folder, replace=replace)
        except (FileNotFoundError, ValueError) as error:
            raise ValueError(f"what {repository} holds is not a whole model: {error}") from error
    return folder


def _names(info: ModelInfo) -> list[str]:
    """Return the names of the files in a repository."""
    return [file.rfilename for file in info.siblings or ()]


def _check_pushable(info: ModelInfo, private: bool) -> None:
    """Raise where a push would publish what was to be private, or mix with other things."""
    if private and not info.private:
        raise FileExistsError(
            f"{info.id} exists and is public: make it private in its settings on the Hub, or push "
            "to another repository"
        )
    others = sorted({*_names(info)} - _MADE_BY_THE_HUB)
    if others and not holds_model(others):
        raise FileExistsError(
            f"{info.id} holds something else than a spikehead model ({others[0]!r}): push to "
            "another repository"
        )


@contextmanager
def _explained(repository: str, revision: str | None) -> Iterator[None]:
    """Turn what goes wrong on the way to the Hub into one sentence."""
    try:
        yield
    # What the libraries for the network raise has no base of its own.
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk, not the network
        raise _explanation(error, repository, revision) from error


def _explanation(error: BaseException, repository: str, revision: str | None) -> Exception:
    hub = constants.ENDPOINT
    if isinstance(error, RuntimeError) and error.__cause__:  # of one of several uploads
        error = error.__cause__
    if isinstance(error, HFValidationError):
        return ValueError(f"{repository!r} cannot be the name of a repository: give USER/NAME")
    if isinstance(error, RevisionNotFoundError):
        return ValueError(
            f"{repository} has no revision {revision!r}: give a branch, a tag or a commit"
        )
    if isinstance(error, GatedRepoError):
        return PermissionError(
            f"{repository} is for those whom its owner lets in: ask for it at {hub}/{repository}"
        )
    if isinstance(error, RepositoryNotFoundError):
        return FileNotFoundError(
            f"{hub} has no model {repository}, or none that your token opens: check the name, or "
            "run hf auth login"
        )
    if isinstance(error, OfflineModeIsEnabled):
        return ConnectionError("HF_HUB_OFFLINE keeps the Hub from being reached: unset it")
    reason = getattr(error, "server_message", None) or " ".join(str(error).split())
    if not isinstance(error, HfHubHTTPError):
        if isinstance(error, ValueError):
            return ValueError(reason)
        return ConnectionError(
            f"{hub} cannot be reached, or broke off ({reason}): check the network, and try again"
        )
    if error.response.status_code in (401, 403):
        return PermissionError(
            f"{hub} does not allow that ({reason}): run hf auth login, or set HF_TOKEN, with a "
            f"token that gives access to {repository}"
        )
    return ConnectionError(
        f"{hub} answers {error.response.status_code} ({reason}): try again later"
    )

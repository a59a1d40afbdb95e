"""The hub's client, and its errors as one line that says what to do."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mlxtutor.errors import TutorError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

LOGIN = "hf auth login, or HF_TOKEN in the environment"
_NETWORK = ("httpx", "httpx2", "httpcore", "requests", "urllib3")


def client() -> HfApi:
    """At $HF_ENDPOINT, by default huggingface.co, with the token that HF_TOKEN or `hf auth login` gives."""
    from huggingface_hub import HfApi

    return HfApi(library_name="mlxtutor")


def require_login() -> None:
    """TutorError where there is no token to write with."""
    from huggingface_hub import get_token

    if not get_token():
        raise TutorError(f"not logged in to the hub ({LOGIN}; the token needs the right to write)")


def check_repo(repo: str) -> str:
    """OWNER/NAME or NAME, as the hub takes it."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError:
        raise TutorError(f'"{repo}" is no repository of the hub (OWNER/NAME, of letters, digits, "-", "_" and ".")') from None
    return repo


def stated_licence(data: Any) -> str | None:
    """What the metadata of a card on the hub says its licence is; of a list `A AND B`, `other` by its name; None where it says none."""
    named = (data.get("license") if data else None) or []
    names = [str(name) for name in (named if isinstance(named, list) else [named])]
    other = str(data.get("license_name") or "") if data else ""
    if names == ["other"]:
        return other or None
    return " AND ".join(other or name if name == "other" else name for name in names) or None


@contextmanager
def hub_errors(repo: str, doing: str, again: str) -> Iterator[None]:
    """Whatever the hub's client raises, as a TutorError. doing: `the upload`, or "". again: what to do after a broken connection."""
    try:
        yield
    except TutorError:
        raise
    except Exception as error:
        line = _line(error, repo, f"{doing} of {repo}" if doing else repo, again)
        if line is None:
            raise
        raise TutorError(line) from error


def _line(error: BaseException, repo: str, what: str, again: str) -> str | None:
    from huggingface_hub import errors

    chain = list(_chain(error))
    if any(getattr(part, "errno", None) == errno.ENOSPC for part in chain):
        return f"{what}: the disk is full (free some space; {again})"
    for part in chain:
        if isinstance(part, errors.GatedRepoError):
            return f"{repo} is gated (ask for access on its page, then: {LOGIN})"
        if isinstance(part, errors.RevisionNotFoundError):
            return f"{repo} has no such branch, tag or commit (its page lists them under Files)"
        if isinstance(part, errors.RepositoryNotFoundError):
            return f"{repo} is not on the hub, or is private and not yours to see (check the name; {LOGIN})"
        if isinstance(part, errors.OfflineModeIsEnabled):
            return f"{what}: HF_HUB_OFFLINE is set (unset it to reach the hub)"
        if isinstance(part, errors.HfHubHTTPError):
            return _refused(part, repo, what, again)
    if any(type(part).__module__.split(".")[0] in _NETWORK or isinstance(part, ConnectionError | TimeoutError) for part in chain):
        return f"{what}: the hub can't be reached ({_distrust(chain)}check the network; {again})"
    if isinstance(error, ValueError) or type(error).__module__.startswith("huggingface_hub"):
        return f"{what}: {_reason(error)}"
    return None


def _distrust(chain: list[BaseException]) -> str:
    """What is wrong with the certificate, where that is it: of the rest the system's words help nobody."""
    error = next((part for part in chain if isinstance(part, ssl.SSLError)), None)
    return f"no safe connection, {getattr(error, 'verify_message', '') or error.reason or 'TLS'}; " if error else ""


def _refused(error: Any, repo: str, what: str, again: str) -> str:
    status = getattr(error.response, "status_code", 0)
    said = getattr(error, "server_message", None) or _reason(error)
    if status == 401:
        return f"{repo}: the hub does not accept the token ({LOGIN})"
    if status == 403:
        return f"{repo}: the token may not do that ({said}; make one with the right to write at huggingface.co/settings/tokens)"
    if status in (409, 412):
        return f"{what}: something else changed it meanwhile ({said}; {again})"
    if status == 429:
        return f"{what}: too many requests ({said}; wait some minutes; {again})"
    return f"{what}: the hub answered {status} ({said}; {again})"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what caused it."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or error.__context__


def _reason(error: BaseException) -> str:
    """The first line of it that says something."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)

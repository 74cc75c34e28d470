"""One request over https: the answer, or in plain words why there is none.

Addresses are named without user info, parameters and query: those can hold a password or a token.
"""

from __future__ import annotations

import ipaddress
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

import requests

from eyecli import __version__
from eyecli.errors import MissingError, RetryError, UsageError
from eyecli.sources.names import safe_name

T = TypeVar("T")
TIMEOUT = 30.0
# In a row, without a byte gained.
TRIES = 5
# Seconds before the second try, doubled for each further one.
PAUSE = 1.0
# Who is told to wait longer than this comes back with another command.
LONGEST_WAIT = 120.0
# Of a length that can be: 10**18 bytes are an exabyte.
DIGITS = 18
BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
AGAIN = "run the same command again: it goes on from what is there"


class TransientError(Exception):
    """What may go well at the next try; `wait` is how long the server asks to wait, in seconds."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def bare(url: str) -> str:
    """Return an address without what can hold credentials: user info, parameters, query, fragment.

    Of one that is mistyped nothing before its last ``@`` is shown.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the address"
    host, path = parts.netloc.rpartition("@")[2], re.sub(r";[^/]*", ";...", parts.path)
    if misplaced_login(parts):
        return f"...@{path.rpartition('@')[2]}" if "@" in path else "..."
    return f"{parts.scheme}://{host}{path}" if host else re.split("[?#;]", url, maxsplit=1)[0]


def misplaced_login(parts: SplitResult) -> bool:
    """Say whether a password may stand where it is read as port, path or query.

    An ``@`` in the path of a host on the internet is only a letter, unless a ``:`` is before it.
    """
    host = parts.netloc.rpartition("@")[2]
    rest = parts.path or f"{parts.query}{parts.fragment}" if host else parts.geturl()
    return "@" in rest and (":" in f"{host}{rest}".rpartition("@")[0] or "." not in host)


def shown(url: str) -> str:
    """Return an address as a manifest shows it: ``?...`` where it had a query."""
    return bare(url) + ("?..." if urlsplit(url).query else "")


def check_url(url: str, *, digest: bool = False) -> None:
    """Refuse what is not https, or plain http without a digest: anybody could have changed it.

    Raises
    ------
    UsageError
        With the command for other kinds of address.
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018
    except ValueError:
        raise UsageError("not an address: a host or port that cannot be read") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        hints = {"": "a folder of this machine: `eyecli fetch path FOLDER`",
                 "file": "a folder of this machine: `eyecli fetch path FOLDER`"}  # fmt: skip
        hint = hints.get(parts.scheme, "other storage: `eyecli fetch rclone REMOTE:PATH`")
        raise UsageError(f"{bare(url)}: not an https address", hint)
    if misplaced_login(parts):
        raise UsageError(
            f"{bare(url)}: an @ after the host",
            "in a path write %40 for it; in a password %2F for /, %3F for ? and %23 for #",
        )
    if parts.scheme == "http" and not digest and not is_loopback(parts.hostname):
        raise UsageError(
            f"{bare(url)}: plain http, so what comes could be from anybody",
            "use https, or name what it must be with --sha256",
        )


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def opened(
    url: str,
    *,
    timeout: float = TIMEOUT,
    headers: Mapping[str, str] | None = None,
    plain: bool = False,
) -> Iterator[Any]:
    """Yield the answer (a `requests.Response` whose body is not read yet): 200, 206 or 416.

    Parameters
    ----------
    url
        Redirects are followed, but never from https to http.
    timeout
        Seconds without a byte before it gives up.
    headers
        Of the request.
    plain
        Whether a redirect may lead to plain http: where a digest tells what it must be.

    Raises
    ------
    TransientError
        If the connection failed, also in the body, or the server is busy.
    MissingError
        If the server refuses.
    """
    at = url

    def follow(response: requests.Response, *_: object, **__: object) -> None:
        nonlocal at
        if response.is_redirect:
            # Or its body would be read, however long it is.
            response.close()
            at = _redirected(response, url, plain=plain)

    with requests.Session() as session:
        # Ranges count the bytes as they are sent: they must be those of the file.
        session.headers.update({"User-Agent": f"eyecli/{__version__}",
                                "Accept-Encoding": "identity"})  # fmt: skip
        session.hooks["response"].append(follow)
        try:
            with session.get(url, stream=True, timeout=timeout, headers=headers) as response:
                refuse(response, url, part="Range" in (headers or {}))
                yield response
        except (requests.RequestException, UnicodeError) as error:
            # From None: their messages hold the address, query and all.
            raise explain(error, url, timeout, at) from None


def _redirected(response: requests.Response, url: str, *, plain: bool) -> str:
    """Return where an answer leads to.

    Raises
    ------
    MissingError
        If that is no address, or not a safe one.
    """
    location = response.headers["Location"]
    try:
        target = urlsplit(urljoin(response.url, location))
        sound = target.scheme in ("http", "https") and target.hostname and target.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise MissingError(f"{bare(url)}: leads to what is no web address: {bare(location)}",
                           "tell who offers the file, or ask for its own address")  # fmt: skip
    if target.scheme == "http" and (
        response.url.startswith("https:") or not (plain or is_loopback(target.hostname or ""))
    ):
        raise MissingError(f"{bare(url)}: leads from a safe address to a plain http one",
                           "ask who offers the file for an https address")  # fmt: skip
    return target.geturl()


def explain(error: Exception, url: str, timeout: float, at: str | None = None) -> Exception:
    """Return an error in plain words for one of `requests`, to be raised.

    `at` is where redirects have led to, None for `url`.
    """
    host = urlsplit(at or url).hostname
    if isinstance(error, requests.exceptions.SSLError):
        return MissingError(
            f"{bare(url)}: the certificate of {host} is not trusted",
            "behind a proxy that opens TLS, name its certificates: REQUESTS_CA_BUNDLE=FILE",
        )
    if isinstance(error, requests.exceptions.ProxyError):
        return TransientError("the proxy of this network (HTTPS_PROXY) cannot be used")
    if "NameResolutionError" in repr(error):
        return MissingError(
            f"{bare(url)}: no host of the name {host} is found",
            "check the address, and whether this machine has a network: "
            "on a cluster the login node often has",
        )
    if isinstance(error, requests.exceptions.TooManyRedirects):
        return MissingError(f"{bare(url)}: the server redirects in a circle",
                            "open it in a browser and copy the address of the file")  # fmt: skip
    if isinstance(error, requests.exceptions.Timeout) or "ReadTimeout" in repr(error):
        return TransientError(f"nothing came from {host} for {timeout:g} s")
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return TransientError(f"{host} sent what cannot be unpacked")
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.ConnectionError):
        return TransientError(f"the connection to {host} failed or was cut")
    if isinstance(error, requests.exceptions.InvalidHeader):
        return MissingError(f"{bare(url)}: {host} sent an answer that contradicts itself",
                            "try again later, or tell who offers the file")  # fmt: skip
    if at not in (None, url):
        return MissingError(f"{bare(url)}: leads to what is no web address: {bare(at or url)}",
                            "tell who offers the file, or ask for its own address")  # fmt: skip
    return UsageError(f"{bare(url)}: not an address that can be asked")


def refuse(response: requests.Response, url: str, *, part: bool = False) -> None:
    """Raise what the status of an answer says, if it is not that of a file.

    `part` says whether a part of it was asked for.

    Raises
    ------
    TransientError
        If the server is busy, or gives a part that was not asked for.
    MissingError
        If it refuses.
    """
    code, where = response.status_code, bare(url)
    if code == 200 or (part and code in (206, 416)):
        return
    if code in (206, 416):
        raise TransientError("the server does not give the file whole")
    if code in BUSY:
        raise TransientError(f"{urlsplit(response.url).hostname} is busy (status {code})",
                             _wait(response.headers.get("Retry-After")))  # fmt: skip
    host = urlsplit(response.url).hostname
    says: dict[int, tuple[str, str]] = {
        401: (f"{host} asks for a login",
              f"put one into ~/.netrc: machine {host} login NAME password PASSWORD"),
        403: (f"{host} refuses access",
              "open the address in a browser: terms to accept, a login, or a link that ran out"),
        404: ("there is no such file", "check the address"),
        410: ("the file is gone", "ask who offered it for its new address"),
    }  # fmt: skip
    reason, hint = says.get(code, (f"{host} refuses", "open the address in a browser"))
    raise MissingError(f"{where}: {reason} (status {code})", hint)


def _wait(retry_after: str | None) -> float | None:
    """Return the seconds of a Retry-After, which is a number or a date."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def persist(
    attempt: Callable[[], T],
    url: str,
    say: Callable[[str], None],
    gained: Callable[[], int] = lambda: 0,
    pause: Callable[[float], object] = time.sleep,
) -> T:
    """Return what `attempt` does, tried again after a pause where the failure may pass.

    Parameters
    ----------
    attempt
        Raises `TransientError` for such a failure.
    url
        For messages.
    say
        Told of each further try.
    gained
        Bytes had so far: who gains some has all tries again.
    pause
        Waits for seconds.

    Raises
    ------
    RetryError
        If all tries failed.
    """
    tries, furthest = 0, gained()
    while True:
        try:
            return attempt()
        except TransientError as error:
            if gained() > furthest:
                tries, furthest = 0, gained()
            tries += 1
            if error.wait is not None and error.wait > LONGEST_WAIT:
                raise RetryError(f"{bare(url)}: {error}, and asks to wait {error.wait:.0f} s",
                                 f"{AGAIN}, after that time") from None  # fmt: skip
            if tries == TRIES:
                raise RetryError(f"{bare(url)}: {error}, {tries} times", AGAIN) from None
            wait = PAUSE * 2 ** (tries - 1) * random.uniform(0.5, 1.5)
            wait = wait if error.wait is None else error.wait
            say(f"{bare(url)}: {error}; trying again in {wait:.0f} s")
            pause(wait)


def content_name(response: requests.Response) -> str:
    """Return the name of the file of an answer: as the server says, or from the address."""
    header = Message()
    disposition = response.headers.get("Content-Disposition", "")
    with suppress(UnicodeError):
        # Headers are read as Latin-1, but many servers send UTF-8.
        disposition = disposition.encode("latin-1").decode()
    header["Content-Disposition"] = disposition.replace("\n", "").replace("\r", "")
    name = header.get_filename()
    last = urlsplit(response.url).path.rstrip("/").rpartition("/")[2]
    return safe_name(name or unquote(last.partition(";")[0]))


def content_length(response: requests.Response) -> int | None:
    """Return how long the body is, None where the server does not say.

    Raises
    ------
    MissingError
        If it says what no file can have.
    """
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and len(length) > DIGITS:
        raise MissingError(f"{bare(response.url)}: a length of {len(length)} digits",
                           "no file has that: tell who offers it")  # fmt: skip
    encoded = response.headers.get("Content-Encoding", "identity") != "identity"
    return int(length) if length.isdecimal() and not encoded else None


def refuse_page(response: requests.Response, name: str, url: str) -> None:
    """Refuse a web page where a file was meant.

    Raises
    ------
    MissingError
        If the body is HTML and the name is not one of HTML.
    """
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == "text/html" and not name.lower().endswith((".html", ".htm")):
        raise MissingError(
            f"{bare(url)}: a web page, not a file",
            "open it in a browser and copy the address of the download itself; "
            "it may ask to log in or to accept terms",
        )

"""Names of remotes as rclone writes them, and what of them may be shown.

A connection string (``:s3,access_key_id=...,secret_access_key=...:bucket``) holds credentials: only
its backend and host go into logs, messages and manifests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote

HOSTS = ("url", "endpoint", "host")
# Values of these say nothing secret, and are ordinary words that messages need.
OPEN = ("provider", "vendor", "region")
# A quoted value doubles the quotes in it.
PARAMETER = re.compile(
    r""",(?P<key>[^=,:]+)(?:=(?P<value>'(?:''|[^'])*'|"(?:""|[^"])*"|(?!['"])[^,:]*))?"""
)
USER_INFO = re.compile(r"(://)[^/@\s\"']*@")
QUERY = re.compile(r"(://[^\s\"'?;]*)[?;][^\s\"']+")
# An address where a path was meant: what stands before its last @ can be a password.
LOGIN = re.compile(r"(?P<before>(?:[A-Za-z0-9+.-]+:)?/{2}|/?)(?P<login>.*)@", re.DOTALL)


@dataclass(frozen=True)
class Remote:
    """A place that rclone can read or write.

    Attributes
    ----------
    text
        As the user wrote it.
    name
        The configured remote; with a colon before it a backend; None for a local path.
    path
        What follows the colon.
    shown
        The same place without credentials, for people and manifests.
    secrets
        What must not be shown, with what to say in its place, longest first.
    """

    text: str
    name: str | None
    path: str
    shown: str
    secrets: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def parse_remote(text: str) -> Remote:
    """Take ``NAME:PATH``, a connection string or a local path apart."""
    head = re.match(r":?[^,:/]*", text)
    assert head
    name, at = head[0], head.end()
    if at == len(text) or text[at] == "/":
        return Remote(text, None, text, text)
    values: dict[str, str] = {}
    while parameter := PARAMETER.match(text, at):
        values[parameter["key"]] = parameter["value"] or ""
        at = parameter.end()
    if at == len(text) or text[at] != ":":
        # Not well formed: rclone refuses it, and everything in it may be a secret.
        shown = f"{name},..."
        return _with_secrets(text, name, "", shown, {"": text[head.end() + 1 :]}, {text: shown})
    path = text[at + 1 :]
    rest = ",..." if values else ""
    hosts = [f",{key}='{_host(_plain(values[key]))}'" for key in HOSTS if key in values]
    shown_path, hidden = _shown_path(path)
    shown = f"{name}{''.join(hosts)}{rest}:"
    if query := QUERY.search(shown + path):
        hidden["query"] = query[0][len(query[1]) + 1 :]
    secret = {text[: at + 1]: shown} if values else {}
    return _with_secrets(
        text, name, path, QUERY.sub(r"\1?...", shown + shown_path), {**values, **hidden}, secret
    )


def parameters(text: str) -> dict[str, str]:
    """Return the values of a connection string, without their quotes."""
    head = re.match(r":?[^,:/]*", text)
    assert head
    at, values = head.end(), {}
    while parameter := PARAMETER.match(text, at):
        values[parameter["key"]] = _plain(parameter["value"] or "")
        at = parameter.end()
    return values


def child(remote: Remote, path: str) -> Remote:
    """Return what lies at a path below a remote."""
    between = "" if not remote.path or remote.path.endswith("/") else "/"
    tail = between + path
    return Remote(
        remote.text + tail, remote.name, remote.path + tail, remote.shown + tail, remote.secrets
    )


def redact(message: str, remote: Remote) -> str:
    """Return what rclone says without what must not be shown."""
    for secret, instead in remote.secrets:
        message = message.replace(secret, instead)
    return QUERY.sub(r"\1?...", USER_INFO.sub(r"\1", message))


def _shown_path(path: str) -> tuple[str, dict[str, str]]:
    """Return a path without the login of an address that stands in it, and what is secret in it."""
    found = LOGIN.match(path)
    if not found or not (found["before"].endswith("//") or ":" in found["login"]):
        return path, {}
    login = found["login"]
    hidden = {"login": login, "password": login.partition(":")[2]}
    return f"{found['before']}...@{path[found.end() :]}", hidden


def _with_secrets(
    text: str, name: str, path: str, shown: str, values: dict[str, str], whole: dict[str, str]
) -> Remote:
    """Return a remote with every form of the values, and what is said for the whole."""
    found = dict(whole)
    for key, written in values.items():
        instead = _host(_plain(written)) if key in HOSTS else "..."
        for value in (written, _plain(written)):
            # What is shorter is no secret, and would garble messages.
            if key not in OPEN and len(value) > 3 and value not in ("true", "false"):
                found |= {value: instead, quote(value, safe=""): instead}
    # Messages have them between double quotes as well.
    found |= {_escaped(secret): instead for secret, instead in found.items()}
    ordered = sorted(found.items(), key=lambda pair: -len(pair[0]))
    return Remote(text, name, path, shown, tuple(ordered))


def _plain(value: str) -> str:
    """Return a value without its quotes."""
    if len(value) > 1 and value[0] in "'\"" and value[-1] == value[0]:
        return value[1:-1].replace(value[0] * 2, value[0])
    return value


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _host(address: str) -> str:
    """Return host and port of an address, which may be a host alone."""
    place = re.split("[/?#]", address.partition("//")[2] or address, maxsplit=1)[0]
    return place.rpartition("@")[2]

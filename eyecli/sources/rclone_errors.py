"""What rclone's failures mean to a user: which of our errors, and the way out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import NamedTuple

from eyecli.errors import DataError, EyecliError, MissingError, RetryError, UsageError
from eyecli.sources.remotes import Remote

AGAIN = "what is there stays: run the same command again"
# rclone's own exit codes.
USAGE, NO_FOLDER, NO_FILE, TEMPORARY = 2, 3, 4, 5

# Before what went wrong rclone says in which of its commands.
PREFIX = re.compile(r"^(?:Fatal error: |Failed to .*?(?:last error was: |: ))")
MISSPELT = re.compile(
    "didn't find backend called|config name contains invalid|unterminated quoted|"
    "connection string|couldn't parse|error parsing"
)
FLAG = re.compile(r"invalid argument|reload \"filter\" options|can't limit to single files")
LOCKED = re.compile("decrypt configuration|RCLONE_CONFIG_PASS")
REFUSED = re.compile(
    r"(?<![/\w])40[13](?![\w.])|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|invalid_grant|"
    r"[Uu]nauthori[sz]ed|[Ff]orbidden|couldn't fetch token|unable to authenticate|"
    r"permission denied|empty token|[Ll]ogin (?:required|incorrect)|no credential|NoCredential"
)
FULL = re.compile(
    "no space left|too big for remaining disk space|disk quota exceeded|"
    "[Ii]nsufficient [Ss]torage|storageQuotaExceeded|quota has been exceeded"
)
NETWORK = re.compile(
    "no such host|connection refused|connection reset|network is unreachable|no route to host|"
    "i/o timeout|TLS handshake|x509|deadline exceeded|broken pipe|unexpected EOF|"
    "server misbehaving|Client.Timeout|too many requests|SlowDown|request send failed"
)


class Message(NamedTuple):
    """A notice or error of rclone, redacted, and the file that it is about."""

    text: str
    about: str = ""

    def __str__(self) -> str:
        """Return both."""
        return f"{self.about}: {self.text}" if self.about else self.text


def explain(
    remote: Remote,
    code: int,
    messages: Sequence[Message],
    configured: Sequence[str],
    *,
    begun: bool,
) -> EyecliError:
    """Return the error that a failed rclone stands for.

    Parameters
    ----------
    remote
        What was asked for.
    code
        The exit code; negative for a signal.
    messages
        What rclone said, in order.
    configured
        Names of the configured remotes.
    begun
        Whether files may have been copied, so that the same command goes on from there.
    """
    said = "; ".join(message.text for message in messages)
    nothing = f"rclone ended with code {code} and said nothing"
    last = PREFIX.sub("", str(messages[-1])) if messages else nothing
    where = remote.shown
    if code < 0:
        return RetryError(f"{where}: rclone was killed (signal {-code})", AGAIN)
    if "didn't find section in config file" in said:
        known = f"configured: {', '.join(configured)}" if configured else "none is configured"
        return UsageError(
            f"{where}: no remote named '{remote.name}' is configured",
            f"{known}; `rclone config` makes one",
        )
    if code == USAGE or FLAG.search(said):
        # It is called otherwise there.
        last = last.replace("--bwlimit", "--bandwidth")
        return UsageError(f"{where}: {last}", "see https://rclone.org/docs and /filtering")
    if MISSPELT.search(said):
        return UsageError(f"{where}: {last}", "write REMOTE:PATH; see `rclone help backends`")
    if LOCKED.search(said):
        return MissingError(
            f"{where}: rclone's configuration has a password", "set RCLONE_CONFIG_PASS to it"
        )
    if FULL.search(said):
        return EyecliError(
            f"{where}: no space left: {last}", "free some space and run the same command again"
        )
    if code in (NO_FOLDER, NO_FILE) or "directory not found" in said:
        parent = re.sub(r"[^/:]+/?$", "", where) or "."
        return DataError(
            f"{where}: no such folder or file", f"see `rclone lsf {shlex.quote(parent)}`"
        )
    if REFUSED.search(said):
        return MissingError(
            f"{where}: refused: {last}",
            f"check its credentials: `rclone config reconnect {remote.name}:` or `rclone config`"
            if remote.name and not remote.name.startswith(":")
            else "check the credentials and permissions",
        )
    if begun and (code == TEMPORARY or NETWORK.search(said)):
        return RetryError(f"{where}: the transfer broke off: {last}", AGAIN)
    if code == TEMPORARY or NETWORK.search(said):
        return MissingError(
            f"{where}: cannot be reached: {last}", "check the address, the network and proxies"
        )
    return EyecliError(f"{where}: {last}", AGAIN if begun else "--verbose shows all rclone says")

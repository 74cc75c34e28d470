"""Names of remotes: taken apart as rclone does, and shown without credentials."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eyecli.sources.remotes import child, parse_remote, redact

S3 = ":s3,provider=AWS,access_key_id=AKIA99,secret_access_key='s,e:c''ret',endpoint=h:9000:b/k"


@pytest.mark.parametrize(
    ("text", "name", "path", "shown"),
    [
        ("lab:data/x", "lab", "data/x", "lab:data/x"),
        ("lab:", "lab", "", "lab:"),
        ("data/a:b", None, "data/a:b", "data/a:b"),
        ("/data", None, "/data", "/data"),
        ("data", None, "data", "data"),
        ("-rf", None, "-rf", "-rf"),
        ("lab:$(touch X)", "lab", "$(touch X)", "lab:$(touch X)"),
        (":memory:", ":memory", "", ":memory:"),
        ("lab,pass=hidden:x", "lab", "x", "lab,...:x"),
        ("lab,shared_with_me:x", "lab", "x", "lab,...:x"),
        (":sftp,host=box,pass=hidden:x", ":sftp", "x", ":sftp,host='box',...:x"),
        (":sftp,host=[bad,port=1:x", ":sftp", "x", ":sftp,host='[bad',...:x"),
        (
            ":webdav,url='https://me:hidden@dav.org:8443/a?token=t',pass=p:up/x",
            ":webdav", "up/x", ":webdav,url='dav.org:8443',...:up/x",
        ),
        ("lab:me@h.org/x", "lab", "me@h.org/x", "lab:me@h.org/x"),
        ("http://me:p/w@h/x", "http", "//me:p/w@h/x", "http://...@h/x"),
        ("https:me:pw@h/x", "https", "me:pw@h/x", "https:...@h/x"),
        (":webdav:http://me@h/x?t=s", ":webdav", "http://me@h/x?t=s", ":webdav:http://...@h/x?..."),
        (":webdav:http://h/x;sig=s", ":webdav", "http://h/x;sig=s", ":webdav:http://h/x?..."),
    ],
)  # fmt: skip
def test_a_remote_is_taken_apart(text: str, name: str | None, path: str, shown: str) -> None:
    remote = parse_remote(text)
    assert (remote.text, remote.name, remote.path, remote.shown) == (text, name, path, shown)


def test_an_unquoted_colon_ends_a_value_as_it_does_for_rclone() -> None:
    assert parse_remote(S3).path == "9000:b/k"
    quoted = parse_remote(S3.replace("h:9000", "'h:9000'"))
    assert (quoted.path, quoted.shown) == ("b/k", ":s3,endpoint='h:9000',...:b/k")


@pytest.mark.parametrize("text", [":s3,secret='not closed:b", ":s3,secret", "lab,pass=hidden"])
def test_of_what_is_not_well_formed_nothing_is_shown(text: str) -> None:
    remote = parse_remote(text)
    assert remote.shown in (":s3,...", "lab,...")
    assert redact(f'bad remote "{text}"', remote) == f'bad remote "{remote.shown}"'


def test_messages_lose_every_form_of_a_secret() -> None:
    remote = parse_remote(""":http,url="https://h/?key=k",pass="to""p se/cret":x""")
    for form in ('"to""p se/cret"', 'to"p se/cret', 'to\\"p se/cret', "to%22p%20se%2Fcret"):
        assert "cret" not in redact(f"refused: {form}!", remote)
    assert redact(f"no {remote.text}", remote) == "no :http,url='h',...:x"


def test_addresses_lose_user_and_query() -> None:
    remote = parse_remote("lab:x")
    message = 'Get "https://me:pw@h.org/a/b?X-Sig=abc&t=1": refused'
    assert redact(message, remote) == 'Get "https://h.org/a/b?...": refused'


@pytest.mark.parametrize("text", ["http://me:SECRET@h/x", ":http:http://h/x?t=SECRET"])
def test_messages_lose_what_an_address_in_a_path_holds(text: str) -> None:
    remote = parse_remote(text)
    # rclone takes two slashes for one.
    for form in (text, remote.path.replace("//", "/"), text.partition("?")[0] + "?t%3DSECRET"):
        assert "SECRET" not in redact(f'no "{form}"', remote)


def test_words_of_messages_stay() -> None:
    remote = parse_remote(":s3,provider=Other,env_auth=true,region=eu:b")
    assert redact("Other: it is true of eu", remote) == "Other: it is true of eu"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lab:", "lab:a/b"),
        ("lab:x", "lab:x/a/b"),
        ("x/", "x/a/b"),
        ("lab,pass=q:x", "lab,...:x/a/b"),
    ],
)
def test_a_child_lies_below(text: str, expected: str) -> None:
    assert child(parse_remote(text), "a/b").shown == expected


@given(st.text(min_size=5), st.sampled_from("'\""))
def test_no_value_is_shown_however_it_is_written(value: str, quote: str) -> None:
    secret = f"<{value}>"
    text = f":ftp,host=h,pass={quote}{secret.replace(quote, quote * 2)}{quote}:x"
    remote = parse_remote(text)
    assert remote.shown == ":ftp,host='h',...:x"
    for message in (text, secret):
        assert secret not in redact(message, remote)

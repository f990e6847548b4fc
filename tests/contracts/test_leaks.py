"""A secret in a contract is refused, and no message repeats it."""

from __future__ import annotations

import pytest

from tests.contracts.conftest import EXAMPLE, Load, Refuse, changed, line_of
from tests.contracts.test_servers import API, SQL, option, with_server

SECRET = "h0rse-battery9"  # what no message may hold

WRITTEN = [
    ("domain: crm", f"domain: 'postgresql://crm:{SECRET}@db.example/shop'", "a password in a URL"),
    ("domain: crm", f"domain: crm # was https://crm:{SECRET}@shop.example", "a password in a URL"),
    ("domain: crm", f"domain: 'host=db password={SECRET}'", "a password or token"),
    ("domain: crm", f"domain: 'https://shop.example/?access_token={SECRET}'", "a password or token"),
    ("domain: crm", f"domain: 'Bearer {SECRET}{SECRET}'", "an authorization"),
    ("domain: crm", "domain: ghp_h0rsebattery9h0rsebattery9h0rse", "an access token"),
    ("domain: crm", "domain: AKIAH0RSEBATTERY9H0R", "an access token"),
    ("domain: crm", "domain: '-----BEGIN RSA PRIVATE KEY-----'", "a private key"),
]


@pytest.mark.parametrize(("old", "new", "what"), WRITTEN)
def test_secret_in_a_text_is_refused(refuse: Refuse, old: str, new: str, what: str) -> None:
    text = changed(old, new)
    error = refuse(text)
    assert what in str(error)
    assert error.line == line_of("domain:", text)
    assert SECRET not in str(error).lower()
    assert "h0rse" not in str(error).lower()
    assert "ddcrm.secret" in str(error.hint)


@pytest.mark.parametrize(
    "entry",
    [
        f"{{property: token, value: {SECRET}}}",
        f"{{property: ddcrm.password, value: {SECRET}}}",
        f"{{property: other.apiKey, value: {SECRET}}}",
        f"{{property: other, value: {{token: {SECRET}}}}}",
        f"{{property: other, value: [{{client_secret: {SECRET}}}]}}",
        "{property: pwd, value: 12345}",
    ],
)
def test_secret_under_a_telling_key_is_refused(refuse: Refuse, entry: str) -> None:
    text = EXAMPLE.rstrip() + f"\n  - {entry}\n"
    error = refuse(text)
    assert "looks like a secret" in str(error)
    assert error.line == len(text.splitlines())
    assert SECRET not in str(error)
    assert "12345" not in str(error)


def test_secret_comes_before_any_other_error(refuse: Refuse) -> None:
    error = refuse(f"token=[{SECRET}\n  - {{")
    assert "a password or token" in str(error)
    assert SECRET not in str(error)


@pytest.mark.parametrize(
    "text",
    [
        with_server(SQL, option("secret", f"'{SECRET}!'")),
        with_server(API, option("http.auth", f"{{type: bearer, secret: '{SECRET}='}}")),
    ],
)
def test_secret_in_the_place_of_its_name_is_refused_and_not_repeated(refuse: Refuse, text: str) -> None:
    error = refuse(text)
    assert "is not the name of a secret" in str(error)
    assert SECRET not in str(error)


@pytest.mark.parametrize(
    "text",
    [
        with_server(SQL, option("secret", "shop_url")),
        with_server(API, option("http.auth", "{type: bearer, secret: shop_token}")),
        with_server(API, option("http.paginator", "{type: cursor, cursor_param: page_token, cursor_path: next_token}")),
        changed("domain: crm", "description: {purpose: 'Basic figures; the password: see the wiki of the shop'}"),
        changed("domain: crm", "description: {purpose: 'see https://shop.example:8443/wiki@home'}"),
        changed("name: channel, physicalName: channel", "name: channel, physicalName: Token"),
        changed("domain: crm", "tags: [token, password]"),
    ],
)
def test_names_and_prose_pass(load: Load, text: str) -> None:
    assert load(text).source == "orders"

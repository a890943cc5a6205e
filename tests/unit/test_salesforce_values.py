"""Ids, values, allocation, waits and login replies: the pure small parts."""

import math
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import orjson
import pytest

from adapters.salesforce import limits
from adapters.salesforce.grants import is_terminal, read_grant
from adapters.salesforce.hosts import jwt_audience
from adapters.salesforce.retry import QuickRetries
from adapters.salesforce.values import Unrenderable, render, render_all
from schemas.allocation import Allocation
from schemas.record_id import is_id, to_18
from schemas.session import LoginFailed


@pytest.mark.parametrize(
    "record_id",
    ["0035g00000QrStUAAV", "00D5g0000001aBcEAI", "0055g000001MnOpAAK", "000000000000000AAA", "001D000000IqhSLIAZ"],
)
def test_ids_of_15_characters_get_their_checksum(record_id: str) -> None:
    """Ids seen in Salesforce's own documents; one of 18 stays as it is."""
    assert to_18(record_id[:15]) == record_id
    assert to_18(record_id) == record_id
    assert is_id(record_id)
    assert is_id(record_id[:15])


@pytest.mark.parametrize("value", ["", "0035g00000QrSt", "0035g00000QrStUAAA", "0035g00000QrSt-", "é" * 15, None, 3])
def test_what_is_no_id_is_told(value: Any) -> None:
    """Wrong length, wrong checksum, wrong characters, no text."""
    assert not is_id(value)


def test_a_checksum_needs_an_id() -> None:
    """Nothing is made up for a text of another length."""
    with pytest.raises(ValueError, match="15 or 18"):
        to_18("0035g")


EAST = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("value", "rendered"),
    [
        (None, None),
        ("", None),
        ("Ana", "Ana"),
        (True, True),
        (7, 7),
        (7.5, 7.5),
        (Decimal("12.50"), 12.5),
        (Decimal("12.00"), 12),
        (datetime(2025, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC), "2025-01-02T03:04:05.678Z"),
        (datetime(2025, 1, 1, 0, 30, tzinfo=EAST), "2024-12-31T22:30:00.000Z"),
        (date(2025, 1, 2), "2025-01-02"),
        (time(14, 30), "14:30:00.000Z"),
        (["A", "B"], "A;B"),
        ((), None),
        ([""], None),
    ],
)
def test_values_take_salesforces_form(value: Any, rendered: Any) -> None:
    """Null and empty text both clear; moments are UTC; several texts are one multi-select value."""
    assert render(value) == rendered
    assert type(render(value)) is type(rendered)


@pytest.mark.parametrize(
    "value",
    [
        datetime(2025, 1, 2),  # noqa: DTZ001 - a moment without a zone is the case
        time(1, tzinfo=UTC),
        math.nan,
        math.inf,
        Decimal("NaN"),
        Decimal("Infinity"),
        Decimal("1e30"),
        2**63,
        {"a": 1},
        ["a;b"],
        [1],
        "\ud800",
        b"bytes",
        object(),
    ],
)
def test_values_without_a_form_are_refused_unseen(value: Any) -> None:
    """The message names the field and never the value."""
    with pytest.raises(Unrenderable) as refused:
        render_all({"Fine": 1, "Email": value})
    assert str(refused.value).startswith("Email: ")
    assert repr(value) not in str(refused.value)


@pytest.mark.parametrize(
    ("header", "allocation"),
    [
        ("api-usage=18/15000", Allocation(18, 15000, 5)),
        ("api-usage=25/5000; per-app-api-usage=17/250(appName=sample-connected-app)", Allocation(25, 5000, 5)),
        ("per-app-api-usage=17/250(appName=x), api-usage=25/5000", Allocation(25, 5000, 5)),
        ("per-app-api-usage=17/250(appName=x)", None),
        ("", None),
        ("api-usage=many", None),
    ],
)
def test_the_orgs_allocation_is_read_from_the_header(header: str, allocation: Allocation | None) -> None:
    """The whole org's numbers, not one app's."""
    assert limits.parse(header, 5) == allocation


def test_quick_waits_double_and_end() -> None:
    """Three tries in all; chance takes up to half of a wait away."""
    retries = QuickRetries(tries=4, first=1.0, longest=3.0)
    assert [retries.wait(tried, 0.0) for tried in (1, 2, 3, 4)] == [1.0, 2.0, 3.0, None]
    assert retries.wait(1, 1.0) == 0.5
    assert [QuickRetries().wait(tried, 0.5) is None for tried in (1, 2, 3)] == [False, False, True]


@pytest.mark.parametrize(
    ("status", "code", "terminal"),
    [
        (400, "invalid_grant", True),
        (400, "invalid_client", True),
        (401, "invalid_client", True),
        (400, "invalid_client_id", True),
        (400, "inactive_org", True),
        (400, "unsupported_grant_type", True),
        (400, "a_code_of_tomorrow", True),
        (404, "", True),
        (400, "rate_limit_exceeded", False),
        (400, "server_error", False),
        (400, "slow_down", False),
        (429, "", False),
        (500, "", False),
        (503, "invalid_grant", False),
    ],
)
def test_some_refused_logins_need_a_person(status: int, code: str, terminal: bool) -> None:
    """The rest pass by themselves."""
    assert is_terminal(status, code) is terminal


MY_DOMAIN = "https://acme.my.salesforce.com"


def granted(**changes: Any) -> bytes:
    grant = {"access_token": "t", "instance_url": "https://acme.my.salesforce.com/", "issued_at": "17"}
    return orjson.dumps({**grant, **changes})


@pytest.mark.parametrize(
    ("status", "body", "code", "terminal"),
    [
        (200, b"<html>", "bad_answer", False),
        (200, b"[]", "bad_answer", False),
        (200, granted(access_token=""), "bad_answer", False),
        (200, granted(access_token="a\r\nX: b"), "bad_answer", False),
        (200, granted(instance_url="http://acme.my.salesforce.com"), "bad_answer", False),
        (200, granted(instance_url=None), "bad_answer", False),
        (503, b"<html>", "http_503", False),
        (302, b"", "http_302", False),
        (400, b'{"error":"invalid_grant"}', "invalid_grant", True),
    ],
)
def test_a_login_reply_that_is_no_grant(status: int, body: bytes, code: str, terminal: bool) -> None:
    """A token is never sent to an address that is not https, nor taken from a page of something else."""
    with pytest.raises(LoginFailed) as failed:
        read_grant(status, body, login_url=MY_DOMAIN)
    assert (failed.value.code, failed.value.terminal) == (code, terminal)


def test_a_grant_may_leave_out_what_is_not_needed() -> None:
    """Time and org are told where they are there."""
    grant = read_grant(200, granted(issued_at=None), login_url=MY_DOMAIN)
    assert (grant.session.instance_url, grant.issued_at, grant.org_id) == ("https://acme.my.salesforce.com", 0, "")


@pytest.mark.parametrize(
    ("address", "followed"),
    [
        ("https://acme.my.salesforce.com", True),
        ("https://acme--uat.sandbox.my.salesforce.com", True),
        ("https://na139.salesforce.com", True),
        ("https://acme.my.salesforce.mil", True),
        ("https://login.acme.example", True),
        ("https://partner.example:8443", True),
        ("https://acme.my.salesforce.com.evil.example", False),
        ("https://evilsalesforce.com", False),
        ("https://salesforce.com@evil.example", False),
        ("https://acme.my.salesforce.com/elsewhere", False),
        ("https://acme.my.salesforce-sites.com", False),
        ("https://acme.force.com", False),
        ("http://acme.my.salesforce.com", False),
        ("http://127.0.0.1:8090", False),
        ("https://[::1", False),
    ],
)
def test_an_instance_is_followed_to_known_hosts_only(address: str, followed: bool) -> None:
    """Salesforce's own, the login's own, and those that a setting allows: the token goes nowhere else."""
    body, options = (
        granted(instance_url=address),
        {"login_url": "https://login.acme.example", "allowed": ("partner.example",)},
    )
    if followed:
        assert read_grant(200, body, **options).session.instance_url == address
        return
    with pytest.raises(LoginFailed) as failed:
        read_grant(200, body, **options)
    assert (failed.value.code, failed.value.terminal) == ("bad_answer", False)
    assert "SALESFORCE_ALLOWED_HOSTS" in str(failed.value)
    assert "evil" not in str(failed.value)


@pytest.mark.parametrize(
    ("login_url", "audience"),
    [
        ("https://login.salesforce.com", "https://login.salesforce.com"),
        ("https://test.salesforce.com", "https://test.salesforce.com"),
        ("https://acme.my.salesforce.com", "https://login.salesforce.com"),
        ("https://acme-dev-ed.develop.my.salesforce.com", "https://login.salesforce.com"),
        ("https://acme--uat.sandbox.my.salesforce.com", "https://test.salesforce.com"),
        ("https://acme--uat.my.salesforce.com", "https://test.salesforce.com"),
        ("https://acme-1.scratch.my.salesforce.com", "https://test.salesforce.com"),
        ("https://login.acme.example", "https://login.acme.example"),
    ],
)
def test_the_audience_of_a_jwt_follows_from_the_login_address(login_url: str, audience: str) -> None:
    """Salesforce takes its two login hosts, whatever My Domain is called, and the address of a site of its own."""
    assert jwt_audience(login_url) == audience

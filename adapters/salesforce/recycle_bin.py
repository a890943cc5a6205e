"""Empties records out of the recycle bin: only the SOAP API can, so it is asked for this one thing.

Source: SOAP API Developer Guide, `emptyRecycleBin()`: up to 200 ids; the records are gone for good, and no change event
tells of it. The namespace of the partner WSDL is `urn:partner.soap.sforce.com`.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import aiohttp

from adapters.salesforce.login import Login
from adapters.salesforce.settings import SalesforceSettings
from schemas.session import LoginFailed
from schemas.unavailable import Unavailable

IDS_A_CALL: Final = 200
PATH: Final = "/services/Soap/u/64.0"
_PARTNER: Final = "{urn:partner.soap.sforce.com}"
_ENVELOPE: Final = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com">'
    "<env:Header><SessionHeader><sessionId>{session}</sessionId></SessionHeader></env:Header>"
    "<env:Body><emptyRecycleBin>{ids}</emptyRecycleBin></env:Body></env:Envelope>"
)
GONE_ALREADY: Final = frozenset({"ENTITY_IS_DELETED", "INVALID_ID_FIELD", "INVALID_CROSS_REFERENCE_KEY"})
"""It is in no bin (any more): what was wanted."""


class RecycleBin:
    """Of one org."""

    def __init__(self, http: aiohttp.ClientSession, login: Login, settings: SalesforceSettings) -> None:
        self._http = http
        self._login = login
        self._timeout = aiohttp.ClientTimeout(total=settings.call_timeout, sock_connect=settings.connect_timeout)

    async def empty(self, record_ids: Sequence[str]) -> tuple[int, Mapping[str, str]]:
        """Have these removed for good: how many were, and by id Salesforce's code for each that stays.

        One that is in no bin counts as neither.

        Raises:
            Unavailable: no answer, or the org refuses the whole call.
        """
        emptied, left = 0, dict[str, str]()
        for start in range(0, len(record_ids), IDS_A_CALL):
            ids = record_ids[start : start + IDS_A_CALL]
            codes = await self._call(ids)
            emptied += codes.count("")
            stays = {each: code for each, code in zip(ids, codes, strict=True) if code and code not in GONE_ALREADY}
            left |= stays
        return emptied, left

    async def _call(self, ids: Sequence[str]) -> list[str]:
        try:
            session = await self._login.current()
            status, body = await self._post(session.instance_url, session.access_token, ids)
            if b"INVALID_SESSION_ID" in body and status != 200:
                session = await self._login.renew(session)
                status, body = await self._post(session.instance_url, session.access_token, ids)
        except LoginFailed as failure:
            raise Unavailable(f"LOGIN:{failure.code}") from failure
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"no answer from Salesforce: {type(error).__name__}") from error
        codes = _codes(body) if status == 200 else None
        if codes is None or len(codes) != len(ids):
            raise Unavailable(f"Salesforce does not empty its recycle bin: {status} {_fault(body)}".rstrip())
        return codes

    async def _post(self, instance_url: str, token: str, ids: Sequence[str]) -> tuple[int, bytes]:
        body = _ENVELOPE.format(session=escape(token), ids="".join(f"<ids>{escape(each)}</ids>" for each in ids))
        headers = {"content-type": "text/xml; charset=UTF-8", "SOAPAction": "emptyRecycleBin"}
        async with self._http.post(
            instance_url + PATH, data=body.encode(), headers=headers, timeout=self._timeout, allow_redirects=False
        ) as reply:
            return reply.status, await reply.read()


def _codes(body: bytes) -> list[str] | None:
    """For each id Salesforce's code, empty where it was removed; None where the answer is not understood."""
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        return None  # Salesforce sends none, and a parser would expand it
    try:
        results = ElementTree.fromstring(body).iter(f"{_PARTNER}result")  # noqa: S314 - no entities, as checked above
    except ElementTree.ParseError:
        return None
    codes = []
    for result in results:
        done = result.findtext(f"{_PARTNER}success") == "true"
        codes.append("" if done else result.findtext(f"{_PARTNER}errors/{_PARTNER}statusCode") or "UNKNOWN")
    return codes


def _fault(body: bytes) -> str:
    _, found, rest = body.partition(b"exceptionCode>")
    code = rest.partition(b"<")[0].decode("ascii", "replace") if found else ""
    return code if code.replace("_", "").isalnum() else ""

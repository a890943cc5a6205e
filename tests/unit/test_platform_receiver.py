"""The pretend platform's URL: the observer of what it was told."""

import aiohttp
import orjson

from schemas.presets import preset
from simulator.platform.receiver import Told, open_receiver
from simulator.platform.signing import signed_headers, signing_key

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def body(revision: int, phone: str) -> dict[str, object]:
    data = {"id": "c1", "kind": "customer", "revision": revision, "fields": {"phone": phone}}
    return {"type": "customer.changed", "data": data}


def shows(phone: str, since: int) -> dict[str, list[dict[str, object]]]:
    register = orjson.dumps({"now": ["salesforce", 1, 1, since]}).decode()
    return {"customers": [{"_id": "c1", "phone": phone, "_sync": {"fields": {"Phone": register}}}]}


def test_what_a_document_shows_of_salesforces_must_have_been_told() -> None:
    """By value and by revision; a late older telling changes nothing."""
    told, mapping = Told(), preset("customers")
    assert told.untold(shows("b", 4), mapping) == ["customer c1: phone since revision 4"]
    told.take("two", body(4, "b"))
    told.take("one", body(2, "a"))
    told.take("two", body(4, "b"))
    assert told.untold(shows("b", 4), mapping) == []
    assert told.doubles == 1
    assert told.untold(shows("b", 5), mapping)
    assert told.untold(shows("c", 4), mapping)


async def test_it_takes_what_is_signed_and_nothing_else() -> None:
    """401 otherwise."""
    raw = orjson.dumps(body(1, "a"))
    async with open_receiver(SECRET) as receiver, aiohttp.ClientSession() as http:
        headers = signed_headers(signing_key(SECRET), "one", 1_700_000_000, raw)
        async with http.post(receiver.url, data=raw, headers=headers) as response:
            assert response.status == 204
        async with http.post(receiver.url, data=raw + b" ", headers=headers) as response:
            assert response.status == 401
    assert (receiver.told.ids, receiver.told.unverified) == ({"one"}, 1)

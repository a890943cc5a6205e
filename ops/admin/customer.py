"""What the page of one thing says of the customer behind it: tier and Account, wherever they are kept. No I/O."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from consumers.rules.registers import load_field
from ops.show_view import value_at
from schemas.mapping import KindMapping

TIER: Final = "customertier"
ACCOUNT: Final = "AccountId"
_ID: Final = re.compile(r"001[0-9A-Za-z]{12}(?:[0-9A-Za-z]{3})?")


def tier(document: Mapping[str, Any], kind: KindMapping) -> Any:
    """The customer's tier, by the path that the mapping gives it: mapped or looked up; None where there is none."""
    found = (value_at(document, path) for path in _tier_paths(kind))
    return next((value for value in found if value not in (None, "")), None)


def account_id(document: Mapping[str, Any]) -> str:
    """The record of the Account: as the platform is told of it, or as Salesforce last said; "" where none is known.

    Only what can be a record's id is one: the page makes a link of it.
    """
    told, stored = value_at(document, "salesforce.accountId"), value_at(document, "_sync.fields")
    register = (stored or {}).get(ACCOUNT)
    heard = None if register is None else load_field(register, None).salesforce
    for found in (told, heard.value if heard else None):
        if isinstance(found, str) and _ID.fullmatch(found):
            return found
    return ""


def _tier_paths(kind: KindMapping) -> Iterator[str]:
    """Those of which either side's name is that of the tier, whatever its spelling."""
    yield "customerTier"
    for field in kind.fields:
        if TIER in (_plain(field.platform), _plain(field.salesforce)):
            yield field.platform
    for taken in () if kind.enrichment is None else kind.enrichment.fields:
        if TIER in map(_plain, (taken.name, taken.contact or "", taken.lead or "")):
            yield taken.name if taken.beside else f"salesforce.{taken.name}"


def _plain(name: str) -> str:
    """`customertier` of `profile.customer_tier`, `customerTier` and `Customer_Tier__c`."""
    return name.rpartition(".")[2].removesuffix("__c").replace("_", "").lower()

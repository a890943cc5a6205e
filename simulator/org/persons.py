"""Person Accounts: an Account and a Contact that are one person, each changed with the other in one transaction.

Source: Salesforce Help, "Considerations for Using Person Accounts". A person's change brings two change events.
"""

from typing import TYPE_CHECKING

from simulator.org.bodies import Values, not_writable
from simulator.org.errors import SalesforceError
from simulator.org.objects import ObjectDefinition, Objects
from simulator.org.store import Row

if TYPE_CHECKING:
    from simulator.org.transactions import Transaction

_IS_PERSON, _CONTACT = "IsPersonAccount", "PersonContactId"


class PersonAccounts:
    """What a transaction does beyond its own record, where the org has Person Accounts."""

    def __init__(self, objects: Objects) -> None:
        self._accounts = objects["Account"]
        self._contacts = objects["Contact"]
        self._to_contact = {one.name: one.mirrors for one in self._accounts.fields if one.mirrors}
        self._to_account = {contact: account for account, contact in self._to_contact.items()}

    def completed(self, definition: ObjectDefinition, before: Row | None, values: Values) -> Values:
        """The values of a save as the object holds them: a person's Name is made of its parts.

        Raises:
            SalesforceError: a person's Name is given, or a person's field for a company.
        """
        if definition is not self._accounts:
            return values
        if before is None and not values.get("LastName"):
            of_a_person = [name for name in values if name in self._to_contact and values[name] is not None]
            if of_a_person:
                raise not_writable(of_a_person)
            return values
        if before is not None and not before[_IS_PERSON]:
            changed = [name for name in values if name in self._to_contact and values[name] != before[name]]
            if changed:
                raise not_writable(changed)
            return values
        if "Name" in values:
            raise not_writable(["Name"])
        name = _full_name({**(before or {}), **values})
        return values | ({"Name": name} if before is None or name != before["Name"] else {})

    def follow(self, transaction: "Transaction", definition: ObjectDefinition, record_id: str, changes: Values) -> None:
        """Make or change the other half of a person whose one half was saved with these changes."""
        row = transaction.alive(definition, record_id)
        if definition is self._accounts and changes.get("LastName") and row[_CONTACT] is None:
            self._make_contact(transaction, record_id, row)
        elif definition is self._accounts and row[_CONTACT] is not None:
            _mark(transaction, self._contacts, str(row[_CONTACT]), _renamed(changes, self._to_contact))
        elif definition is self._contacts and row.get(_IS_PERSON) and row["AccountId"] is not None:
            mirrored = _renamed(changes, self._to_account)
            account = transaction.alive(self._accounts, str(row["AccountId"]))
            mirrored["Name"] = _full_name({**account, **mirrored})
            _mark(transaction, self._accounts, str(row["AccountId"]), mirrored)

    def delete_other(self, transaction: "Transaction", definition: ObjectDefinition, row: Row) -> None:
        """A person's Account takes its Contact with it.

        Raises:
            SalesforceError: a person's Contact is deleted by itself.
        """
        if definition is self._contacts and row.get(_IS_PERSON):
            raise SalesforceError("DELETE_FAILED", "A person account's contact is deleted with its account", [])
        if definition is self._accounts and row.get(_CONTACT) is not None:
            transaction.mark(self._contacts, str(row[_CONTACT]), "DELETE", {"IsDeleted": 1})

    def _make_contact(self, transaction: "Transaction", account_id: str, row: Row) -> None:
        values = {contact: row[account] for account, contact in self._to_contact.items()}
        contact_id = transaction.create(self._contacts, values | {"AccountId": account_id, "OwnerId": row["OwnerId"]})
        transaction.mark(self._contacts, contact_id, "UPDATE", {_IS_PERSON: 1})
        transaction.mark(self._accounts, account_id, "UPDATE", {_IS_PERSON: 1, _CONTACT: contact_id})


def _mark(transaction: "Transaction", definition: ObjectDefinition, record_id: str, values: Values) -> None:
    row = transaction.alive(definition, record_id)
    new = {name: value for name, value in values.items() if row[name] != value}
    if new:
        transaction.mark(definition, record_id, "UPDATE", new)


def _renamed(changes: Values, names: dict[str, str]) -> Values:
    return {names[name]: value for name, value in changes.items() if name in names}


def _full_name(row: Row) -> str:
    return " ".join(str(part) for part in (row.get("FirstName"), row.get("LastName")) if part)

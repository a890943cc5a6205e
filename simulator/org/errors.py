"""Errors in the two shapes Salesforce gives them: of a call, and of a row within a call."""

from collections.abc import Mapping, Sequence
from typing import Any


class SalesforceError(Exception):
    """One refusal. `fields` is None where Salesforce sends no such member."""

    def __init__(
        self,
        code: str,
        message: str,
        fields: Sequence[str] | None = None,
        status: int = 400,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.fields = fields
        self.status = status
        self.extra = extra or {}
        """What a call's error says besides."""

    def of_call(self) -> dict[str, Any]:
        """The element of a call's error array: `{message, errorCode, fields?}`."""
        body: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        if self.fields is not None:
            body["fields"] = list(self.fields)
        return body | dict(self.extra)

    def of_row(self) -> dict[str, Any]:
        """The element of a row's `errors`: `{statusCode, message, fields}`."""
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields or ())}


class Unreadable(SalesforceError):
    """The body cannot be read as rows of this object: wrong JSON type, unknown field."""


def not_found(message: str = "The requested resource does not exist") -> SalesforceError:
    """404 NOT_FOUND."""
    return SalesforceError("NOT_FOUND", message, status=404)


def no_such_column(field: str, sobject: str) -> Unreadable:
    """INVALID_FIELD as create, update and retrieve say it."""
    return Unreadable("INVALID_FIELD", f"No such column '{field}' on sobject of type {sobject}")

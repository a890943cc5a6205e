"""The org's objects hold what the product documents and the mapping name."""

from importlib import resources

import pytest
import yaml
from pydantic import ValidationError

from schemas.mapping import Mapping
from simulator.org.objects import ObjectDefinition, load_objects

NAMED = [
    "Salutation",
    "FirstName",
    "LastName",
    "Email",
    "Phone",
    "MobilePhone",
    "Title",
    "Department",
    "Birthdate",
    "MailingStreet",
    "MailingCity",
    "MailingState",
    "MailingPostalCode",
    "MailingCountry",
    "MailingAddress",
    "LeadSource",
    "OwnerId",
    "AccountId",
    "Description",
    "Total_Tickets__c",
    "Total_Spent__c",
    "Custom_Total__c",
    "Custom_Last_Event__c",
    "Last_Event__c",
    "Customer_Tier__c",
    "Preferred_Language__c",
    "LastEngagementDate__c",
    "Tandem_Customer_Id__c",
    "Tandem_Customer_Write__c",
    "Tandem_Participant_Id__c",
    "Tandem_Participant_Write__c",
]


def test_every_mapped_field_is_there_and_writable() -> None:
    """The preset maps nothing that the org lacks."""
    preset = yaml.safe_load(resources.files("schemas").joinpath("presets/customers.yaml").read_text(encoding="utf-8"))
    objects = load_objects()
    for kind in Mapping.model_validate(preset).kinds.values():
        definition = objects[kind.sobject]
        key, token = definition.by_name[kind.external_id], definition.by_name[kind.token]
        assert key.external_id
        assert key.unique
        assert not token.read_only
        for field in kind.fields:
            assert not definition.by_name[field.salesforce].read_only


@pytest.mark.parametrize(
    "name",
    NAMED,
)
def test_a_contact_has_what_the_documents_name(name: str) -> None:
    """Both product documents' fields, found in any case."""
    contact = load_objects()["Contact"]
    assert contact.field(name.upper()) is contact.by_name[name]


def test_a_part_of_no_compound_is_a_mistake() -> None:
    """A definition that contradicts itself is refused as it is read."""
    field = {"name": "City", "label": "City", "type": "string", "length": 5, "compound": "Address"}
    with pytest.raises(ValidationError, match="no such compound field"):
        ObjectDefinition.model_validate(
            {"name": "X", "label": "X", "plural": "Xs", "key_prefix": "x00", "fields": [field]}
        )

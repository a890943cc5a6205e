"""A doorbell: "look at this document again". It holds a key and no payload."""

from pydantic import BaseModel, ConfigDict


class Doorbell(BaseModel):
    """Names one document. `record_id` is the linked Salesforce record, empty before the first write."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: str
    id: str
    record_id: str = ""

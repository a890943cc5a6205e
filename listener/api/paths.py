"""Where routes stand that several modules share."""

from typing import Final

PREFIX: Final = "/api/integrations/salesforce"
"""Of all that the platform asks about its things in Salesforce."""

"""`CHANGES_*`: what is accepted."""

import pytest
from pydantic import ValidationError

from listener.changes.settings import ChangesSettings


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ChangesSettings.model_fields:
        monkeypatch.delenv(f"CHANGES_{name.upper()}", raising=False)
    monkeypatch.delenv("SALESFORCE_API_VERSION", raising=False)


def test_defaults_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Channels with commas between; the API version of the REST side holds here too, with or without its v."""
    assert ChangesSettings().channels == ("/data/ChangeEvents",)
    monkeypatch.setenv("CHANGES_CHANNELS", "/data/ContactChangeEvent, /data/LeadChangeEvent,")
    monkeypatch.setenv("SALESFORCE_API_VERSION", "v64.0")
    settings = ChangesSettings()
    assert settings.channels == ("/data/ContactChangeEvent", "/data/LeadChangeEvent")
    assert settings.api_version == "64.0"
    monkeypatch.setenv("CHANGES_API_VERSION", "65.0")
    assert ChangesSettings().api_version == "65.0"


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"channels": ""}, "at least 1 item"),
        ({"channels": "data/ChangeEvents"}, "should match pattern"),
        ({"channels": "/data/*"}, "should match pattern"),
        ({"channels": "/data/A,/data/A"}, "named twice"),
        ({"low_mark": 10, "high_mark": 10}, "CHANGES_LOW_MARK"),
        ({"backoff_seconds": 5, "backoff_cap_seconds": 1}, "CHANGES_BACKOFF_CAP_SECONDS"),
        ({"busy_seconds": 5, "busy_cap_seconds": 1}, "CHANGES_BUSY_CAP_SECONDS"),
        ({"api_version": "latest"}, "should match pattern"),
    ],
)
def test_a_wrong_setting_is_named(changed: dict[str, object], says: str) -> None:
    """Before anything is connected to."""
    with pytest.raises(ValidationError, match=says):
        ChangesSettings(**changed)  # type: ignore[arg-type]


def test_every_setting_is_described() -> None:
    """The description is what the documentation shows."""
    assert all(field.description for field in ChangesSettings.model_fields.values())

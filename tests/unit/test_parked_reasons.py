"""The reasons of parked records that a metric tells."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import structlog

from adapters.salesforce.error_codes import CODES
from adapters.telemetry.metrics import Metrics
from ops.processes.parked_reasons import OTHER, label_of
from ops.processes.parts import results_told
from schemas.log_record import Record
from schemas.outcome import Outcome, Result

OURS = (
    "ENRICHMENT_FAILED",
    "EXTERNAL_ID_ON_ANOTHERS_RECORD",
    "INVALID_ROW",
    "MATCHED_RECORD_TAKEN",
    "MERGED_INTO_ANOTHERS_RECORD",
    "NO_CONSENT",
    "NO_RECORD_MATCHES",
    "UNREADABLE_ERROR",
    "document_refused",
    "undecodable",
    "unknown_kind",
)


@pytest.mark.parametrize("reason", [*CODES, *OURS])
def test_what_we_know_is_told(reason: str) -> None:
    """Ours, and the codes of `docs/errors.md`."""
    assert label_of(reason) == reason


@pytest.mark.parametrize("reason", ["A_CODE_OF_TOMORROW", "ada@example.org", "Ada Lovelace", "HTTP_502", ""])
def test_anything_else_is_one_series(reason: str) -> None:
    """However many codes an org makes up."""
    assert label_of(reason) == OTHER


def test_no_text_of_salesforces_becomes_a_label() -> None:
    """As the counter is told of a batch."""
    metrics = Metrics()
    frame = SimpleNamespace(metrics=metrics, stage="writer", log=structlog.get_logger())
    parked = [Result(Outcome.PARKED, reason) for reason in ("Ada ada@example.org", "PKG__1", "STRING_TOO_LONG")]
    records = [Record("salesforce.writes", 0, offset, None, b"{}", {}, 0) for offset in range(len(parked))]
    results_told(cast("Any", frame))("salesforce.writes", records, parked)
    told = metrics.render().decode()
    assert 'tandem_parked_total{reason="other",topic="salesforce.writes"} 2.0' in told
    assert 'tandem_parked_total{reason="STRING_TOO_LONG",topic="salesforce.writes"} 1.0' in told
    assert "ada@example.org" not in told

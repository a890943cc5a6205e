"""Which line keeps which failure case from happening, and what it becomes where it is taken out: `make guards`.

A guard stands in this table as long as its text stands in the code: `tests/unit/test_failure_cases_page.py` looks.
"""

from dataclasses import dataclass
from typing import Final

STREAM: Final = "tests/unit/cases/test_cases_of_the_stream.py"
WRITER: Final = "tests/unit/cases/test_cases_of_the_writer.py"
HOLES: Final = "tests/unit/cases/test_holes.py"
HOLE_A: Final = "tests/integration/test_hole_a.py"


@dataclass(frozen=True)
class Bend:
    """`old`, which stands in the module once, becomes `new`."""

    module: str
    old: str
    new: str

    @property
    def file(self) -> str:
        """The module's file in the tree."""
        return f"{self.module.replace('.', '/')}.py"


@dataclass(frozen=True)
class Guard:
    """Of a case (`01`) or a hole (`a`): the test in `file`, and what is taken out, in words and in code."""

    case: str
    file: str
    test: str
    what: str
    bends: tuple[Bend, ...]

    @property
    def node(self) -> str:
        """The test as pytest names it."""
        return f"{self.file}::{self.test}"


def _guard(case: str, file: str, test: str, what: str, *bends: tuple[str, str, str]) -> Guard:
    prefix = "hole" if case.isalpha() else "case"
    return Guard(case, file, f"test_{prefix}_{case}_{test}", what, tuple(Bend(*bend) for bend in bends))


GUARDS: Final = (
    _guard(
        "01",
        STREAM,
        "an_expired_replay_id",
        "a refused position is not kept as a gap",
        (
            "listener.changes.subscriber",
            """if not await self._until_done(partial(self._gaps.record, gap), "record the gap", stop):
            return False
        self._tell(gap)
        self._source""",
            "self._source",
        ),
    ),
    _guard(
        "02",
        STREAM,
        "a_fall_back_to_the_newest",
        "the stream goes on from the newest event",
        (
            "listener.changes.subscriber",
            "self._tell(gap)\n        self._source.resume(refused.channel, EARLIEST)",
            "self._tell(gap)\n        self._source.resume(refused.channel, -1)",
        ),
    ),
    _guard(
        "03",
        STREAM,
        "changes_before_the_first_subscription",
        "the first subscription is to new events only",
        ("listener.changes.cometd", "start.get(channel, EARLIEST)", "start.get(channel, -1)"),
    ),
    _guard(
        "04",
        STREAM,
        "a_gap_event",
        "an event without values has nothing read",
        ("consumers.rules.existence", 'state.read_reason = "an event named no values"', "pass"),
    ),
    _guard(
        "05",
        STREAM,
        "an_overflow_event",
        "an overflow is no gap",
        ("consumers.reconciler.gaps", "return GapReason.OVERFLOW", "return None"),
    ),
    _guard(
        "06",
        STREAM,
        "a_merged_event",
        "of several record ids only the first counts",
        (
            "listener.changes.normalise",
            "for record_id in record_ids]\n    except",
            "for record_id in record_ids[:1]]\n    except",
        ),
    ),
    _guard(
        "07",
        WRITER,
        "an_echo",
        "it is not noted that Salesforce holds what a user has just entered",
        (
            "consumers.rules.ordinary",
            "field.salesforce = SalesforceRegister(value, position)\n    if not rule.pulls:",
            "if not rule.pulls:",
        ),
    ),
    _guard(
        "08",
        WRITER,
        "two_quick_updates",
        "the token is not looked at",
        (
            "consumers.rules.salesforce",
            "return state.named(number_of(change.fields.get(kind.token), state.id))",
            "return None",
        ),
    ),
    _guard(
        "09",
        STREAM,
        "a_token_that_is_revoked_in_the_stream",
        "a 401 does not lead to a login",
        ("listener.changes.cometd", "if over.ending is Ending.LOGIN:", "if False:"),
    ),
    _guard(
        "10",
        STREAM,
        "an_unknown_client",
        "a new session subscribes to new events only",
        (
            "listener.changes.cometd",
            "after = dict(self._after)\n        refusals",
            "after = dict.fromkeys(self._after, -1)\n        refusals",
        ),
    ),
    _guard(
        "11",
        STREAM,
        "a_disconnect_by_the_server",
        "a /meta/disconnect is not read",
        ("listener.changes.session", "if meta.channel == bayeux.DISCONNECT:", "if False:"),
    ),
    _guard(
        "12",
        STREAM,
        "a_line_that_is_half_open",
        "a poll may be silent for a day",
        (
            "listener.changes.session",
            "return self.advice.timeout / 1000 + self._settings.poll_slack_seconds",
            "return 86_400.0",
        ),
    ),
    _guard(
        "13",
        STREAM,
        "a_second_subscription",
        "a lease that another holds is taken all the same",
        (
            "listener.changes.ownership",
            "self._until = began + self._seconds\n        return lease",
            "self._until = began + self._seconds\n        return lease or Lease(self._name, self._owner, 1)",
        ),
    ),
    _guard(
        "14",
        STREAM,
        "a_full_buffer",
        "the client goes on asking",
        ("listener.changes.cometd", "while not buffer.full:", "while True:"),
    ),
    _guard(
        "15",
        STREAM,
        "a_poison_event",
        "an event that cannot be read is skipped",
        (
            "listener.changes.records",
            "return [_undecodable(event, org_id, str(error))], False",
            "return [], False",
        ),
    ),
    _guard(
        "16",
        WRITER,
        "a_create_without_an_answer",
        "what the look-up finds before a first write is not taken",
        ("consumers.writer.find", "found = answer.records\n", "found: dict[str, list[str]] = {}\n"),
    ),
    _guard(
        "17",
        WRITER,
        "a_partial_success",
        "a row that failed is taken for done",
        (
            "adapters.salesforce.collections",
            'if row.get("success") is True:\n        return RowResult(record_id=record_id, created',
            'if True:\n        return RowResult(record_id=record_id or "003000000000001AAA", created',
        ),
        (
            "adapters.salesforce.collections",
            '=row.get("created") is True) if record_id else None',
            '=row.get("created") is True)',
        ),
    ),
    _guard(
        "18",
        WRITER,
        "a_bulk_job_that_was_accepted",
        "the lists of rows that failed and that never ran are not read",
        (
            "adapters.salesforce.bulk",
            """async for row in self._rows(f"{path}/failedResults"):
                ran += 1
                yield BulkOutcome(row[load.key], _failed(row, by_id=by_id))
""",
            "pass\n",
        ),
        ("adapters.salesforce.bulk", "if processed != ran:", "if False:"),
    ),
    _guard(
        "19",
        WRITER,
        "null_absent_and_value",
        "null is an empty cell",
        (
            "adapters.salesforce.csv_text",
            "if rendered is None:\n        return NULL",
            'if rendered is None:\n        return ""',
        ),
    ),
    _guard(
        "20",
        WRITER,
        "many_children_of_one_parent",
        "no writer says at which parent it is",
        (
            "consumers.writer.turns",
            "yield frozenset(held)",
            "yield frozenset(parents)",
        ),
    ),
    _guard(
        "21",
        WRITER,
        "a_merge",
        "nobody asks what has taken the record's place",
        (
            "consumers.writer.follow",
            "if successor is None:\n            stays_gone",
            "if True:\n            stays_gone",
        ),
    ),
    _guard(
        "22",
        WRITER,
        "a_converted_lead",
        "a refusal because of a conversion is final",
        (
            "consumers.rules.answers",
            "case Failure.CONVERTED if state.link is not None and",
            "case Failure.CONVERTED if False and",
        ),
    ),
    _guard(
        "23",
        WRITER,
        "a_campaign_member_is_unique",
        "what stands against a record that is about to go is refused for good",
        (
            "consumers.writer.resolve",
            "return replace(answer, failure=Failure.NOT_RUN) if tries < UNSEEN_TRIES else answer",
            "return answer",
        ),
    ),
    _guard(
        "24",
        WRITER,
        "refresh_tokens_that_rotate",
        "processes refresh without a lease",
        (
            "adapters.salesforce.refresh",
            "lease = await self._store.leases.acquire(name, self._store.owner, seconds)",
            "lease = Lease(name, self._store.owner, 1)",
        ),
    ),
    _guard(
        "25",
        WRITER,
        "the_orgs_limits",
        "the reserve of the org's other users is not left",
        ("consumers.rules.budget", "return int(seen.limit * (1.0 - policy.reserve))", "return seen.limit"),
    ),
    _guard(
        "a",
        HOLE_A,
        "a_snapshot_needs_a_subscription",
        "a load begins though nobody follows the changes",
        (
            "ops.sync.look",
            "if not self._request.dry_run and not await self._subscribed(place.sobject):",
            "if False:",
        ),
    ),
    _guard(
        "b",
        HOLES,
        "an_expired_position_is_not_cleared",
        "a refused position is cleared, and the newest taken",
        (
            "listener.changes.cometd",
            "if lost:\n            self._undecided.update(lost)",
            "self._after.update(dict.fromkeys(lost, -1))\n        if False:\n            self._undecided.update(lost)",
        ),
    ),
    _guard(
        "c",
        HOLES,
        "a_failed_row_is_not_acknowledged_with_a_log_line",
        "a refused row ends as applied",
        (
            "consumers.writer.answers",
            "case Answer.REFUSED:\n            return Result(Outcome.PARKED, answer.code)",
            "case Answer.REFUSED:\n            return Result(Outcome.APPLIED)",
        ),
    ),
    _guard(
        "d",
        HOLES,
        "an_upload_is_not_the_end_of_a_job",
        "rows that are uploaded count as done",
        (
            "consumers.writer.job",
            "await self._file(kind, left_out)",
            'await self._file(kind, [BulkOutcome(each, RowResult("003000000000001AAA")) for each in loading.keys])',
        ),
    ),
    _guard(
        "e",
        HOLES,
        "the_header_of_a_job_is_every_rows",
        "the header is that of the first row",
        (
            "adapters.salesforce.csv_text",
            "self._columns.update(dict.fromkeys(row))",
            "self._columns = self._columns or dict.fromkeys(row)",
        ),
        (
            "adapters.salesforce.csv_text",
            'restval="", lineterminator',
            'restval="", extrasaction="ignore", lineterminator',
        ),
    ),
    _guard(
        "f",
        HOLES,
        "cleared_and_untouched_fields_are_told_apart",
        "null is no value",
        (
            "listener.changes.normalise",
            "                fields[flat] = part",
            "                fields.update({flat: part} if part is not None else {})",
        ),
    ),
    _guard(
        "g",
        HOLES,
        "a_silent_line_is_noticed_by_itself",
        "a request may be silent for ever",
        ("listener.changes.session", "sock_read=silence,", "sock_read=None,"),
        ("listener.changes.session", "total=silence + self._settings.body_seconds,", "total=None,"),
    ),
    _guard(
        "h",
        HOLES,
        "the_position_of_a_quiet_topic_does_not_age",
        "a position is not renewed",
        (
            "listener.changes.subscriber",
            "case Age.RENEW if heard is not None:",
            "case Age.RENEW if heard is not None and False:",
        ),
    ),
)

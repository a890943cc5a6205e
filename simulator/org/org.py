"""The org: its parts put together, and the users who act in it."""

import hmac

from simulator.org import ids
from simulator.org.changes import ChangeBus
from simulator.org.clock import Clock, system_clock
from simulator.org.codes import AuthorizationCodes
from simulator.org.connected_app import ConnectedApp
from simulator.org.duplicates import DuplicateRule
from simulator.org.errors import SalesforceError
from simulator.org.faults import FaultRegistry
from simulator.org.ledger import EventHabits, Ledger
from simulator.org.limits import Allocation, ApiUsage, RunsOut
from simulator.org.locks import RowLocks
from simulator.org.objects import ObjectDefinition, load_objects
from simulator.org.objects.schema_file import read_schema
from simulator.org.refresh_tokens import RefreshTokens
from simulator.org.settings import OrgSettings
from simulator.org.store import Row, Store
from simulator.org.tokens import TokenStore, User
from simulator.org.transactions import Actor, Rules
from simulator.org.triggers import TriggerRule, Triggers

ORGANIZATION_ID = ids.to_18("00DTd0000000Org")
UI_ORIGIN = "com/salesforce/api/soap/60.0;client=SfdcInternalAPI/"
"""`changeOrigin` of a change made in Salesforce's own pages (Change Data Capture guide, header fields)."""

_HOUR_MS = 3600 * 1000


class Org:
    """One org. Every part shares its clock and its seed."""

    def __init__(self, settings: OrgSettings, clock: Clock = system_clock) -> None:
        self.settings = settings
        self.clock = clock
        self.objects = load_objects(read_schema(settings.schema_file), person_accounts=settings.person_accounts)
        self.store = Store(self.objects, settings.directory)
        self.bus = ChangeBus(
            self.store.connection,
            clock=clock,
            retention_ms=round(settings.event_retention_hours * _HOUR_MS),
            seed=settings.seed,
        )
        self.tokens = TokenStore(
            ORGANIZATION_ID,
            lifetime_ms=round(settings.token_lifetime_seconds * 1000),
            expiry=settings.token_expiry,
            clock=clock,
            seed=settings.seed,
        )
        self.app = ConnectedApp(settings.client_id, settings.client_secret.get_secret_value(), settings.app)
        self.codes = AuthorizationCodes(clock, lambda: self.app.policy.code_seconds)
        self.refresh_tokens = RefreshTokens(self.tokens)
        self.faults = FaultRegistry(settings.seed)
        self.triggers = Triggers(settings.seed)
        self.rules = Rules(self.objects, self.triggers)
        for duplicate_rule in settings.duplicate_rules:
            self.add_duplicate_rule(duplicate_rule)
        self.usage = ApiUsage(settings.daily_api_requests, clock)
        self.bulk_batches = Allocation(settings.daily_bulk_batches, clock)
        self.bulk_query_jobs = Allocation(settings.daily_bulk_query_jobs, clock)
        self.allocations: dict[str, RunsOut] = {
            "DailyApiRequests": self.usage.allocation,
            "DailyBulkApiBatches": self.bulk_batches,
            "DailyBulkV2QueryJobs": self.bulk_query_jobs,
        }
        """What runs out in a day, by its name in the limits resource. The stream adds its own."""
        self.ledger = Ledger(
            self.rules,
            self.store,
            self.bus,
            faults=self.faults,
            habits=EventHabits(settings.no_change_event, settings.merge_identical_changes, settings.event_delay_ms),
            clock=clock,
            seed=settings.seed,
        )
        self.locks = RowLocks(self.store, hold_ms=settings.row_lock_ms, wait_ms=settings.row_lock_wait_ms)
        self._next_user = max(
            (ids.sequence_of(record_id) + 1 for record_id in [self.store.last_id(self.objects["User"])] if record_id),
            default=1,
        )
        self.api_user = self.user_named(settings.username)
        if self.store.last_id(self.objects["Organization"]) is None:
            self.store.insert(self.objects["Organization"], [self._organization_row(settings)])
        try:
            for rule in settings.triggers:
                self.add_trigger(rule)
        except SalesforceError:
            self.close()
            raise

    def user_named(self, username: str) -> User:
        """The user of this name, made on first mention."""
        found = self.find_user(username)
        if found is not None:
            return found
        row = self._user_row(username)
        self.store.insert(self.objects["User"], [row])
        return User(str(row["Id"]), username, str(row["Name"]))

    def find_user(self, username: str) -> User | None:
        """The user of this name, if there is one."""
        definition = self.objects["User"]
        rows = self.store.find(definition, definition.by_name["Username"], [username]).values()
        return next((User(str(row["Id"]), str(row["Username"]), str(row["Name"])) for row in rows), None)

    def signs_in(self, username: str, password: str, *, security_token: bool) -> User | None:
        """Whom this password lets in; with `security_token` the token stands behind it, as callers from afar need."""
        settings = self.settings
        token = settings.security_token.get_secret_value() if security_token else ""
        wanted = settings.password.get_secret_value() + token
        return self.find_user(username) if hmac.compare_digest(password.encode(), wanted.encode()) else None

    def add_trigger(self, rule: TriggerRule) -> TriggerRule:
        """Put a rule in force.

        Raises:
            SalesforceError: it names an object or a field that the org does not have, or a value the field cannot hold.
        """
        definition = self.objects.get(rule.object)
        if definition is None:
            raise SalesforceError("INVALID_TYPE", f"sObject type '{rule.object}' is not supported.")
        for name in (rule.field, rule.target):
            if name and name not in definition.by_name:
                raise SalesforceError("INVALID_FIELD", f"No such column '{name}' on sobject of type {definition.name}")
        return self.triggers.add(rule)

    def add_duplicate_rule(self, rule: DuplicateRule) -> DuplicateRule:
        """Put a duplicate rule in force.

        Raises:
            SalesforceError: it names an object or a field that the org does not have.
        """
        definition = self.objects.get(rule.object)
        if definition is None:
            raise SalesforceError("INVALID_TYPE", f"sObject type '{rule.object}' is not supported.")
        for name in rule.fields:
            if name not in definition.by_name or not definition.by_name[name].written:
                raise SalesforceError("INVALID_FIELD", f"No such column '{name}' on sobject of type {definition.name}")
        self.rules.duplicates.append(rule)
        return rule

    def api_actor(
        self, user: User, version: str, client: str, *, told_client: bool = True, saves_duplicates: bool = False
    ) -> Actor:
        """Who a REST call acts as; `told_client` says whether its changes carry the client mark."""
        mark = f";client={client}" if client and told_client else ""
        origin = f"com/salesforce/api/rest/{version}{mark}"
        root = f"/services/data/v{version}"
        return Actor(user, "api", origin, client, saves_duplicates=saves_duplicates, root=root)

    def bulk_actor(self, user: User, version: str, client: str) -> Actor:
        """Who a Bulk job acts as: the maker of the job, under the client mark that it was made with."""
        mark = f";client={client}" if client else ""
        return Actor(user, "api", f"com/salesforce/api/bulkapi/{version}{mark}", client)

    def user_actor(self, username: str, origin: str = UI_ORIGIN) -> Actor:
        """Someone who works in the org itself."""
        return Actor(self.user_named(username), "user", origin, saves_duplicates=True)

    def close(self) -> None:
        """Close the database."""
        self.store.close()

    def _user_row(self, username: str) -> Row:
        definition = self.objects["User"]
        record_id = ids.encode(definition.key_prefix, self._next_user)
        self._next_user += 1
        now = self.clock() // 1000 * 1000
        first, _, last = username.partition("@")[0].replace(".", " ").title().rpartition(" ")
        return self._stamped(definition, record_id, now) | {
            "Id": record_id,
            "IsActive": 1,
            "Username": username,
            "FirstName": first or None,
            "LastName": last,
            "Name": f"{first} {last}".strip(),
            "Email": username if "@" in username else None,
        }

    def _organization_row(self, settings: OrgSettings) -> Row:
        definition = self.objects["Organization"]
        return self._stamped(definition, self.api_user.id, self.clock() // 1000 * 1000) | {
            "Id": ORGANIZATION_ID,
            "Name": "Simulated",
            "OrganizationType": settings.edition,
            "IsSandbox": int(settings.sandbox),
        }

    def _stamped(self, definition: ObjectDefinition, user_id: str, now: int) -> Row:
        """An empty row that this user has made at this time."""
        row: Row = dict.fromkeys((one.name for one in definition.columns), None)
        return row | {
            "IsDeleted": 0,
            "CreatedDate": now,
            "CreatedById": user_id,
            "LastModifiedDate": now,
            "LastModifiedById": user_id,
            "SystemModstamp": now,
        }

"""The org: its parts put together, and the users who act in it."""

from simulator.org import ids
from simulator.org.changes import ChangeBus
from simulator.org.clock import Clock, system_clock
from simulator.org.errors import SalesforceError
from simulator.org.faults import FaultRegistry
from simulator.org.ledger import EventHabits, Ledger
from simulator.org.limits import ApiUsage
from simulator.org.objects import load_objects
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
        self.objects = load_objects()
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
        self.faults = FaultRegistry(settings.seed)
        self.triggers = Triggers(settings.seed)
        self.rules = Rules(self.objects, self.triggers)
        self.usage = ApiUsage(settings.daily_api_requests, clock)
        self.ledger = Ledger(
            self.rules,
            self.store,
            self.bus,
            faults=self.faults,
            habits=EventHabits(settings.no_change_event, settings.merge_identical_changes, settings.event_delay_ms),
            clock=clock,
            seed=settings.seed,
        )
        self._next_user = max(
            (ids.sequence_of(record_id) + 1 for record_id in [self.store.last_id(self.objects["User"])] if record_id),
            default=1,
        )
        self.api_user = self.user_named(settings.username)
        try:
            for rule in settings.triggers:
                self.add_trigger(rule)
        except SalesforceError:
            self.close()
            raise

    def user_named(self, username: str) -> User:
        """The user of this name, made on first mention."""
        definition = self.objects["User"]
        found = self.store.find(definition, definition.by_name["Username"], [username])
        if found:
            row = next(iter(found.values()))
            return User(str(row["Id"]), str(row["Username"]), str(row["Name"]))
        row = self._user_row(username)
        self.store.insert(definition, [row])
        return User(str(row["Id"]), username, str(row["Name"]))

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

    def api_actor(self, user: User, version: str, client: str, *, told_client: bool = True) -> Actor:
        """Who a REST call acts as; `told_client` says whether its changes carry the client mark."""
        mark = f";client={client}" if client and told_client else ""
        return Actor(user, "api", f"com/salesforce/api/rest/{version}{mark}", client)

    def user_actor(self, username: str, origin: str = UI_ORIGIN) -> Actor:
        """Someone who works in the org itself."""
        return Actor(self.user_named(username), "user", origin)

    def close(self) -> None:
        """Close the database."""
        self.store.close()

    def _user_row(self, username: str) -> Row:
        definition = self.objects["User"]
        record_id = ids.encode(definition.key_prefix, self._next_user)
        self._next_user += 1
        now = self.clock() // 1000 * 1000
        first, _, last = username.partition("@")[0].replace(".", " ").title().rpartition(" ")
        row: Row = dict.fromkeys((one.name for one in definition.columns), None)
        row.update(
            {"Id": record_id, "IsDeleted": 0, "IsActive": 1, "Username": username, "FirstName": first or None},
            LastName=last,
            Name=f"{first} {last}".strip(),
            Email=username if "@" in username else None,
            CreatedDate=now,
            CreatedById=record_id,
            LastModifiedDate=now,
            LastModifiedById=record_id,
            SystemModstamp=now,
        )
        return row

"""What the org's administrator has made happen on a save: triggers and validation rules, as data."""

import random
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from simulator.org.errors import SalesforceError
from simulator.org.values import Stored


class Action(StrEnum):
    """What a rule does when it fires."""

    UPPER = "upper"
    LOWER = "lower"
    SET = "set"
    """Put `value` into `target`, or into `field` without one."""
    APPEND = "append"
    """Put `value` behind what `field` holds."""
    KEEP = "keep"
    """Put `field` back to what it was."""
    REFUSE = "refuse"
    """Refuse the row with FIELD_CUSTOM_VALIDATION_EXCEPTION and `message`."""


class TriggerRule(BaseModel):
    """One rule. It fires on a save that sets `field` to a value other than the one it had (on any save without one)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: int = 0
    object: str
    action: Action
    field: str = ""
    target: str = ""
    """Another field, set in the same transaction."""
    value: Any = None
    """JSON, as REST would write it. In a text `{}` stands for the value of `field`."""
    matches: str = ""
    """A regular expression that must be found in the new text of `field`."""
    on: tuple[Literal["create", "update"], ...] = ("create", "update")
    who: Literal["any", "api", "user"] = "any"
    message: str = "The value is not allowed."
    probability: float = Field(default=1.0, ge=0, le=1)
    count: int | None = Field(default=None, ge=1)


class Triggers:
    """The rules in force, oldest first."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._rules: list[TriggerRule] = []
        self._fired: dict[int, int] = {}
        self._next_id = 1

    def add(self, rule: TriggerRule) -> TriggerRule:
        """Add a rule; the one returned has its id."""
        added = rule.model_copy(update={"id": self._next_id})
        self._next_id += 1
        self._rules.append(added)
        return added

    def remove(self, rule_id: int | None = None) -> int:
        """Take one rule out, or all; how many went."""
        before = len(self._rules)
        self._rules = [] if rule_id is None else [one for one in self._rules if one.id != rule_id]
        return before - len(self._rules)

    def rules(self) -> list[TriggerRule]:
        """Every rule in force."""
        return list(self._rules)

    def fired(self, rule_id: int) -> int:
        """How often a rule has fired."""
        return self._fired.get(rule_id, 0)

    def run(
        self,
        sobject: str,
        before: Mapping[str, Stored] | None,
        changes: Mapping[str, Stored],
        *,
        who: str,
        parse: Callable[[str, Any], Stored],
    ) -> dict[str, Stored]:
        """What the rules make of a save: further fields and their values. `parse` reads a field's JSON value.

        `changes` are the fields set to something new; rules see what earlier rules made of them.

        Raises:
            SalesforceError: a rule refused the row.
        """
        made: dict[str, Stored] = {}
        operation = "create" if before is None else "update"
        for rule in self._rules:
            if rule.object != sobject or operation not in rule.on or rule.who not in {"any", who}:
                continue
            if rule.field and rule.field not in changes and rule.field not in made:
                continue
            value = made[rule.field] if rule.field in made else changes.get(rule.field)
            if not self._strikes(rule, value):
                continue
            self._fired[rule.id] = self._fired.get(rule.id, 0) + 1
            if rule.action is Action.REFUSE:
                fields = [rule.field] if rule.field else []
                raise SalesforceError("FIELD_CUSTOM_VALIDATION_EXCEPTION", rule.message, fields)
            target = rule.target or rule.field
            made[target] = (
                parse(target, _told(rule, value)) if rule.action is Action.SET else _made(rule, value, before)
            )
        return made

    def _strikes(self, rule: TriggerRule, value: Stored) -> bool:
        if rule.count is not None and self._fired.get(rule.id, 0) >= rule.count:
            return False
        if rule.matches and not (isinstance(value, str) and re.search(rule.matches, value)):
            return False
        return rule.probability >= 1 or self._random.random() < rule.probability


def _told(rule: TriggerRule, value: Stored) -> Any:
    if isinstance(rule.value, str):
        return rule.value.replace("{}", "" if value is None else str(value))
    return rule.value


def _made(rule: TriggerRule, value: Stored, before: Mapping[str, Stored] | None) -> Stored:
    if rule.action is Action.KEEP:
        return before[rule.field] if before else None
    if not isinstance(value, str):
        return value
    if rule.action is Action.APPEND:
        return f"{value}{rule.value}"
    return value.upper() if rule.action is Action.UPPER else value.lower()

"""All examples, by rule. A module that holds some is named here; a function `rule_9` or `rule_9_doubt` is one."""

import re
from collections.abc import Callable
from typing import Final

from support.merge_examples import existence, platform, records, salesforce, writes
from support.merge_examples.story import Story

MODULES: Final = (platform, salesforce, writes, records, existence)


def examples() -> dict[str, Callable[[], Story]]:
    """Every example by its name, in the order of rules; of one rule in the order of the source."""
    found = {name: made for module in MODULES for name, made in vars(module).items() if re.match(r"rule_\d", name)}
    return dict(sorted(found.items(), key=lambda named: rule_of(named[0])))


def rule_of(name: str) -> int:
    """The number in an example's name."""
    return int(name.split("_")[1])

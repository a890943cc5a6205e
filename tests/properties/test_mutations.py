"""Each rule of the merge, taken out or bent, makes something fail: `support.mutations` says how, and what notices.

A witness is a schedule that the causal oracle finds right, and wrong as soon as the rule is bent. Where a rule does not
change who wins but what it costs or what is written down, it is the example of that rule in the unit tests.

Some rules change who wins, and no schedule can show it, since the oracle's world does not have what they are about. Its
mapping never changes, so all of rule 29 has examples alone. No document in it was stored by an earlier release
(rule 1). A record there is never hidden from us, and one that is undeleted holds what it held, so it need not be read
again (rule 21). Events that a former id makes old by mistake are of a record that has taken its place, and that is read
whole: among 7,000 schedules of merges none has shown that (rule 1).
"""

import importlib.util
import inspect
from pathlib import Path
from types import ModuleType

import pytest
from support.bending import bent
from support.mutations import MUTATIONS, Example, Mutation, Schedule
from support.oracle_schedule import broken

UNIT = Path(__file__).parent.parent / "unit"
EXAMPLES = [
    UNIT / f"test_merge_{part}.py" for part in ("existence", "former", "held", "looks", "mapping", "merged", "rules")
]


@pytest.fixture(scope="module")
def examples() -> ModuleType:
    """The unit tests of the rules, those of every file in one module."""
    together = ModuleType("examples_of_the_rules")
    for file in EXAMPLES:
        spec = importlib.util.spec_from_file_location(file.stem, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        vars(together).update({name: value for name, value in vars(module).items() if not name.startswith("__")})
    return together


def fails(witness: Schedule | Example, examples: ModuleType) -> bool:
    """Whether the witness notices anything."""
    if isinstance(witness, Schedule):
        return broken(witness.setting, witness.steps, witness.last) is not None
    test = getattr(examples, f"test_{witness.name}")
    arguments = list(witness.arguments)
    if "world" in inspect.signature(test).parameters:
        arguments.append(examples.linked_world())
    try:
        test(*arguments)
    except (AssertionError, KeyError, pytest.fail.Exception):
        return True
    return False


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: f"{mutation.rule}: {mutation.what}")
def test_a_bent_rule_is_noticed(mutation: Mutation, examples: ModuleType) -> None:
    """Right as it is, wrong when bent, and right again afterwards."""
    assert not fails(mutation.noticed_by, examples)
    with bent(f"consumers.rules.{mutation.module}", (mutation.old, mutation.new)):
        assert fails(mutation.noticed_by, examples), f"nobody notices that {mutation.what}"
    assert not fails(mutation.noticed_by, examples)


def test_every_rule_is_bent() -> None:
    """By its number in the design."""
    assert {mutation.rule for mutation in MUTATIONS} == {str(number) for number in range(1, 30)}


def test_a_rule_that_was_rewritten_asks_for_its_mutation_anew() -> None:
    """A mutation that no longer finds its place fails; it never passes for noticed."""
    with pytest.raises(LookupError), bent("consumers.rules.conflict", ("no such text", "")):
        pass

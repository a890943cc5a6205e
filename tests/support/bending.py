"""Bends a rule: one place of a module's source is replaced while a test looks whether anything notices."""

import contextlib
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any


@contextlib.contextmanager
def bent(module_name: str, *places: tuple[str, str]) -> Iterator[None]:
    """Within this, the module behaves as if each `old`, which stands in its source once, were `new`.

    The functions stay the same objects and get other code, so whoever imported them by name has the bent ones too.

    Raises:
        LookupError: an `old` does not stand there exactly once: the rule was rewritten, and so must its mutation be.
    """
    module = importlib.import_module(module_name)
    source = Path(inspect.getfile(module)).read_text(encoding="utf-8")
    for old, new in places:
        if source.count(old) != 1:
            raise LookupError(f"{old!r} stands {source.count(old)} times in {module_name}")
        source = source.replace(old, new)
    changed: dict[str, Any] = {"__name__": module.__name__}
    exec(compile(source, inspect.getfile(module), "exec"), changed)
    codes = {function: function.__code__ for function in _functions(vars(module), module)}
    values = {name: value for name, value in vars(module).items() if isinstance(value, int) and changed[name] != value}
    holders = [holder for holder in _package(module) for name in values if name in vars(holder)]
    try:
        bent_functions = {function.__qualname__: function for function in _functions(changed, module)}
        for function in codes:
            function.__code__ = bent_functions[function.__qualname__].__code__
        for holder in holders:
            vars(holder).update({name: changed[name] for name in values if name in vars(holder)})
        yield
    finally:
        for function, code in codes.items():
            function.__code__ = code
        for holder in holders:
            vars(holder).update({name: value for name, value in values.items() if name in vars(holder)})


def _functions(namespace: dict[str, Any], module: ModuleType) -> list[FunctionType]:
    found: list[FunctionType] = []
    for value in namespace.values():
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            found.append(value)
        elif isinstance(value, type) and value.__module__ == module.__name__:
            members = (inspect.unwrap(getattr(each, "fget", None) or each) for each in vars(value).values())
            found.extend(each for each in members if isinstance(each, FunctionType) and _is_written(each, module))
    return found


def _is_written(function: FunctionType, module: ModuleType) -> bool:
    """Not one that `dataclass` made."""
    return function.__code__.co_filename == inspect.getfile(module)


def _package(module: ModuleType) -> list[ModuleType]:
    package = importlib.import_module(module.__name__.rpartition(".")[0])
    return [
        importlib.import_module(f"{package.__name__}.{each.name}") for each in pkgutil.iter_modules(package.__path__)
    ]

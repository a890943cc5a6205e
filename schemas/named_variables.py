"""Settings of which there is one for each name, and the variable holds the name: `WEBHOOK_SECRETS_TICKETS=…`."""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource


class NamedVariables(PydanticBaseSettingsSource):
    """`<VARIABLE>_<NAME>=value` as `{<field>: {<name>: value}}`, names in lower case."""

    def __init__(
        self, settings_cls: type[BaseSettings], source: EnvSettingsSource, *, field: str, variable: str
    ) -> None:
        super().__init__(settings_cls)
        self._source = source
        self._field = field
        self._prefix = f"{variable}_".lower()

    def get_field_value(self, _field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Nothing: no field has a variable of its own here."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The field, where any name is given."""
        found = {
            name.lower().removeprefix(self._prefix): value or ""
            for name, value in self._source.env_vars.items()
            if name.lower().startswith(self._prefix)
        }
        return {self._field: found} if found else {}


def named_variables(
    settings_cls: type[BaseSettings], sources: Iterable[PydanticBaseSettingsSource], *, field: str, variable: str
) -> Iterator[NamedVariables]:
    """Such a source for each of these that holds variables: the environment, `.env`."""
    for source in sources:
        if isinstance(source, EnvSettingsSource):
            yield NamedVariables(settings_cls, source, field=field, variable=variable)

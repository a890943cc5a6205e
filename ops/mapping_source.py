"""What the mapping is seeded with where the database holds none."""

from typing import Self

from pydantic import Field, FilePath, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.mapping import Mapping
from schemas.mapping_reading import InvalidMapping
from schemas.mapping_yaml import load_mapping
from schemas.presets import preset, preset_names


class MappingSettings(BaseSettings):
    """The group `MAPPING_*`. What it names can be used: that is found out before anything connects."""

    model_config = SettingsConfigDict(env_prefix="MAPPING_", frozen=True, extra="ignore")

    file: FilePath | None = Field(
        default=None,
        description="A YAML file to seed the mapping with, the first time; after that the database holds it.",
    )
    preset: str = Field(default="ticketing", description="The mapping to seed with where MAPPING_FILE is not given.")

    @field_validator("preset")
    @classmethod
    def _is_there(cls, name: str) -> str:
        if name not in preset_names():
            raise ValueError(f"must be one of {', '.join(preset_names())}")
        return name

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        try:
            self.read()
        except InvalidMapping as error:
            raise _wrong("\n".join(f"MAPPING_FILE: {problem}" for problem in error.problems)) from None
        except (OSError, UnicodeDecodeError) as error:
            raise _wrong(f"MAPPING_FILE: cannot be read: {type(error).__name__}") from None
        return self

    def read(self) -> Mapping:
        """The mapping.

        Raises:
            InvalidMapping: the file was changed since the settings were read, and cannot be used any more.
        """
        if self.file is not None:
            return load_mapping(self.file.read_text(encoding="utf-8"))
        return preset(self.preset)


def _wrong(lines: str) -> PydanticCustomError:
    # Not a ValueError: pydantic would put its own words before the line.
    return PydanticCustomError("mapping_settings", "{lines}", {"lines": lines})

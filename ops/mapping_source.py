"""What the mapping is seeded with where the database holds none."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.mapping import Mapping
from schemas.mapping_yaml import load_mapping
from schemas.presets import preset


class MappingSettings(BaseSettings):
    """The group `MAPPING_*`."""

    model_config = SettingsConfigDict(env_prefix="MAPPING_", frozen=True, extra="ignore")

    file: Path | None = Field(
        default=None,
        description="A YAML file to seed the mapping with, the first time; after that the database holds it.",
    )
    preset: str = Field(default="ticketing", description="The mapping to seed with where MAPPING_FILE is not given.")

    def read(self) -> Mapping:
        """The mapping.

        Raises:
            InvalidMapping: it cannot be used; every line names a place.
        """
        if self.file is not None:
            return load_mapping(self.file.read_text(encoding="utf-8"))
        return preset(self.preset)

"""Where the consent service keeps what it knows. Names and free text stand in these tables and nowhere else."""

from sqlalchemy import MetaData
from sqlalchemy.orm import registry as Registry  # noqa: N812

from shared.database import NAMING

metadata = MetaData(naming_convention=NAMING)
registry = Registry(metadata=metadata)

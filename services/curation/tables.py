"""All the tables of this service hang on these two; each subject has its own beside its model."""

from sqlalchemy import MetaData
from sqlalchemy.orm import registry

from shared.database import NAMING

metadata = MetaData(naming_convention=NAMING)
mapping = registry(metadata=metadata)

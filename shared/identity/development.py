"""A person's token while sign-in does not exist; in production there is none."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

from joserfc.jwk import OKPKey

from shared.errors import AttuneError
from shared.identity.tokens import PERSON_LIFE, Role, mint
from shared.settings import DevelopmentSettings, Environment


def development_token(
    role: Role,
    subject: UUID,
    family_id: UUID | None,
    settings: DevelopmentSettings,
    life: timedelta = PERSON_LIFE,
) -> str:
    """A person's token. Raises AttuneError in production, and without a key."""
    if settings.environment is Environment.PRODUCTION:
        raise AttuneError("Development tokens do not exist in production; people sign in")
    if settings.development_key_file is None:
        raise AttuneError("ATTUNE_DEVELOPMENT_KEY_FILE names no private key")
    if role is Role.SERVICE or (role is Role.FAMILY) != (family_id is not None):
        raise AttuneError("A token is for a person; one of a family, and only that, needs --family-id")
    key = OKPKey.import_key(json.loads(settings.development_key_file.read_text()))
    return mint(key, str(subject), role, datetime.now(UTC), life, family_id)

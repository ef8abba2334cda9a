"""A player's session: a cookie that lets one person watch one artefact for a while; a video element sends no token.

It is good for nothing else: it carries no token, names one artefact, is sent to that artefact's address alone, and is
signed as a type of its own, so that nobody takes it for a token of the service whose key signs it.
"""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.identity import Identity, Role

ALGORITHM = "Ed25519"
TYPE = "attune-playback"
LIFE = timedelta(minutes=15)


class _Claims(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    typ: str = Field(pattern=f"^{TYPE}$")
    artefact: UUID
    sub: UUID
    role: Role
    family_id: UUID | None
    exp: int


class Sessions:
    """cookie: its name. secure: whether it travels over TLS alone. path: under which browsers see this service."""

    def __init__(self, key_file: Path, instance: str, public_url: str) -> None:
        self._key = OKPKey.import_key(json.loads(key_file.read_text()))
        self.cookie, public = f"{instance}-playback", urlsplit(public_url)
        self.secure, self.path = public.scheme == "https", public.path.rstrip("/")

    def begin(self, viewer: Identity, artefact_id: UUID, now: datetime) -> str:
        """The cookie's value."""
        claims = {
            "typ": TYPE,
            "artefact": str(artefact_id),
            "sub": str(viewer.person_id),
            "role": viewer.role.value,
            "family_id": str(viewer.family_id) if viewer.family_id else None,
            "exp": int((now + LIFE).timestamp()),
        }
        return jwt.encode({"alg": ALGORITHM, "typ": TYPE}, claims, self._key, algorithms=[ALGORITHM])

    def viewer(self, value: str, artefact_id: UUID, now: datetime) -> Identity | None:
        """Whose session it is; None if it is nobody's, or over, or for something else."""
        try:
            read: dict[str, Any] = jwt.decode(value, self._key, algorithms=[ALGORITHM]).claims
            claims = _Claims.model_validate(read)
        except (JoseError, ValidationError, ValueError, TypeError):
            return None
        if claims.artefact != artefact_id or claims.exp <= now.timestamp():
            return None
        return Identity(str(claims.sub), claims.role, claims.family_id)

"""What tests of erasures do over and over."""

import io
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from minio import Minio

from tests.integration.consent.waiting import until
from tests.integration.consent.world import Consent, Family


def as_root(consent: Consent) -> Minio:
    store = consent.stack.store
    access, secret = store.keys["root"]
    return Minio(store.endpoint, access, secret, secure=False, region=store.region)


def left_behind(consent: Consent, bucket: str, episode: UUID, artefact: UUID) -> str:
    name = f"{episode}/{artefact}/{uuid4()}"
    as_root(consent).put_object(bucket, name, io.BytesIO(b"sealed"), 6)
    return name


def taken_away(consent: Consent, bucket: str, name: str) -> None:
    root = as_root(consent)
    for found in root.list_objects(bucket, prefix=name, include_version=True):
        root.remove_object(bucket, name, version_id=found.version_id)


async def round_asked(consent: Consent, erasure: UUID, number: int) -> None:
    async def asked() -> bool:
        await consent.tick()
        return bool((await consent.erasure(erasure))["round"] == number)

    await until(asked)


async def purged(consent: Consent, family: Family, erasure: UUID) -> None:
    """Both rounds acknowledged by everybody."""
    await consent.all_acknowledge(family, erasure, 1)
    await round_asked(consent, erasure, 2)
    await consent.all_acknowledge(family, erasure, 2)


async def certified(consent: Consent, family: Family, erasure: UUID) -> None:
    await purged(consent, family, erasure)
    await consent.verify()
    await consent.tick()
    assert (await consent.erasure(erasure))["state"] == "certified"


async def ended(consent: Consent) -> tuple[Family, UUID, UUID]:
    """A family that has withdrawn, its recording, the erasure."""
    family = await consent.ready_to_film()
    recording = await consent.filmed(family)
    return family, recording, UUID((await consent.withdrawn(family))["erasure_id"])


async def certificate(consent: Consent, family: Family, erasure: UUID) -> bytes:
    answer = await consent.ask("GET", f"/erasures/{erasure}/certificate", consent.practitioner(family))
    assert answer.status_code == 200, answer.text
    return answer.content


async def public_key(consent: Consent) -> Ed25519PublicKey:
    pem = (await consent.http.get("/v1/certificate-key")).content
    key = load_pem_public_key(pem)
    assert isinstance(key, Ed25519PublicKey)
    return key

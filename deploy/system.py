"""The one description of the system: every process, what it needs, what it is given, how it shows that it is ready.

Pure data. The local stack runs it; compose and Kubernetes are checked against it.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from pydantic_settings import BaseSettings

from shared import settings as s


class Kind(StrEnum):
    INFRASTRUCTURE = "infrastructure"  # not ours: each deployment brings its own image, binary or managed service
    ONCE = "once"  # runs to its end before what needs it starts
    SERVICE = "service"  # runs for ever


@dataclass(frozen=True)
class Probe:
    """How to see that a process is ready: it has ended well, its port opens, or a path answers 2xx."""

    kind: str  # "exit", "tcp" or "http"
    path: str = ""


EXIT, TCP = Probe("exit"), Probe("tcp")
LIVE, READY = Probe("http", "/health/live"), Probe("http", "/health/ready")


@dataclass(frozen=True)
class Resources:
    """What a process is sure of, and the most it may take; of memory one number is both."""

    cores: float = 0.1
    most_cores: float = 1
    memory: int = 512  # MiB, with what it keeps in `scratch`
    scratch: int = 0  # MiB for plain bytes of films, in memory alone


@dataclass(frozen=True)
class Process:
    name: str
    kind: Kind
    ready: Probe
    command: tuple[str, ...] = ()  # empty for infrastructure
    needs: tuple[str, ...] = ()  # processes that are ready (or have ended well) before this one starts
    settings: tuple[type[BaseSettings], ...] = ()  # what it reads from its environment
    http: bool = False
    live: Probe | None = None
    service: str = ""  # whose code, database and topic it works on
    identity: str = ""  # `kid` of the key that signs its tokens
    store_user: str = ""
    image: str = "service"  # what its packages are in; `transcoding` has ffmpeg too
    calls: tuple[str, ...] = ()  # processes that it asks over HTTP
    public: bool = False  # browsers reach it
    replicas: int = 1  # in production
    resources: Resources = Resources()


@dataclass(frozen=True)
class Bucket:
    """A bucket, its owner, and who may do what there beside it."""

    name: str
    owner: str
    owner_may: frozenset[str]
    readers: frozenset[str] = field(default_factory=frozenset)  # may get objects
    listers: frozenset[str] = field(default_factory=frozenset)  # may list objects, versions and uploads


GET = frozenset({"s3:GetObject", "s3:GetObjectVersion"})
PUT = frozenset({"s3:PutObject"})
DELETE = frozenset({"s3:DeleteObject", "s3:DeleteObjectVersion"})
LIST = frozenset({"s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"})

BUCKETS = tuple(
    Bucket(name, owner, GET | PUT | DELETE, frozenset(readers), frozenset({owner, "verifier"}))
    for name, owner, readers in (
        ("recordings", "upload", {"transcoding"}),
        ("renditions", "transcoding", {"curation"}),
        ("evidence", "consent", set[str]()),
    )
)
STORE_USERS = ("upload", "transcoding", "curation", "consent", "verifier")

DATABASES = ("consent", "upload", "transcoding", "curation", "notification")  # one each, owned by a role of its name
DEVELOPMENT_ISSUER = "development"  # signs tokens to try the API with; production does not know its key

_COMMON = (s.Settings, s.HttpSettings, s.ServiceIdentity)
_STORED = (s.StoreSettings, s.BucketSettings, s.HorizonSettings)


def _migration(service: str) -> Process:
    return Process(
        name=f"migrate-{service}",
        kind=Kind.ONCE,
        ready=EXIT,
        command=("python", "-m", "shared.database", "migrate", service),
        needs=("postgres",),
        settings=(s.DatabaseSettings,),
        service=service,
    )


def _app(
    service: str,
    *settings: type[BaseSettings],
    store: bool = False,
    calls: tuple[str, ...] = ("consent",),
    public: bool = False,
    memory: int = 512,
) -> Process:
    """HTTP, consumer and relay of one service."""
    return Process(
        name=service,
        kind=Kind.SERVICE,
        ready=READY,
        live=LIVE,
        command=("python", "-m", f"services.{service}.app"),
        needs=("postgres", "kafka", "topics", f"migrate-{service}", *(("s3",) if store else ())),
        settings=(*_COMMON, s.DatabaseSettings, s.KafkaSettings, *(_STORED if store else ()), *settings),
        http=True,
        service=service,
        identity=service,
        store_user=service if store else "",
        calls=calls,
        public=public,
        replicas=2,
        resources=Resources(cores=0.25, most_cores=2, memory=memory),
    )


INFRASTRUCTURE = (
    Process("postgres", Kind.INFRASTRUCTURE, TCP),
    Process("kafka", Kind.INFRASTRUCTURE, TCP),
    Process("s3", Kind.INFRASTRUCTURE, Probe("http", "/health"), http=True),
    Process("mail", Kind.INFRASTRUCTURE, TCP),
    Process("traces", Kind.INFRASTRUCTURE, Probe("http", "/health"), http=True),
)

PRODUCT = (
    *(_migration(service) for service in DATABASES),
    Process(
        name="topics",
        kind=Kind.ONCE,
        ready=EXIT,
        command=("python", "-m", "shared.messaging.topics"),
        needs=("kafka",),
        settings=(s.KafkaSettings,),
    ),
    _app(
        "consent",
        *(s.ConsentKeys, s.ConsentSettings, s.Organisation, s.PeerSettings, s.PublicSettings),
        store=True,
        calls=(),
    ),
    Process(
        name="consent-verifier",
        kind=Kind.SERVICE,
        ready=READY,
        live=LIVE,
        command=("python", "-m", "services.consent.verifier"),
        needs=("postgres", "s3", "migrate-consent"),
        settings=(*_COMMON, s.DatabaseSettings, *_STORED, s.ConsentSettings, s.PeerSettings),
        http=True,  # for /health and /metrics alone
        service="consent",
        identity="consent-verifier",
        store_user="verifier",
    ),
    _app("upload", s.UploadSettings, s.PeerSettings, s.PublicSettings, store=True, public=True, memory=1024),
    _app("transcoding", s.PeerSettings, store=True),
    Process(
        name="transcoding-worker",
        kind=Kind.SERVICE,
        ready=READY,
        live=LIVE,
        command=("python", "-m", "services.transcoding.workers"),
        needs=("postgres", "s3", "migrate-transcoding"),
        settings=(*_COMMON, s.DatabaseSettings, *_STORED, s.PeerSettings, s.ScratchSettings),
        http=True,  # for /health and /metrics alone
        service="transcoding",
        identity="transcoding",
        store_user="transcoding",
        image="transcoding",
        calls=("consent",),
        resources=Resources(cores=2, most_cores=4, memory=12 * 1024, scratch=8 * 1024),
    ),
    _app("curation", s.PeerSettings, s.PublicSettings, store=True, public=True, memory=768),
    _app("notification", s.Organisation, s.PeerSettings, s.PublicSettings),
    Process(
        name="notification-sender",
        kind=Kind.SERVICE,
        ready=READY,
        live=LIVE,
        command=("python", "-m", "services.notification.workers"),
        needs=("postgres", "mail", "migrate-notification"),
        settings=(*_COMMON, s.DatabaseSettings, s.SmtpSettings, s.Organisation, s.PeerSettings, s.PublicSettings),
        http=True,  # for /health and /metrics alone
        service="notification",
        identity="notification",
    ),
    Process(
        name="portal",
        kind=Kind.SERVICE,
        ready=READY,
        live=LIVE,
        command=("python", "-m", "services.portal.app"),
        settings=(
            *(*_COMMON, s.PortalSettings, s.ConsentSettings, s.Organisation, s.PeerSettings, s.PublicSettings),
            s.DevelopmentSettings,
        ),
        http=True,
        service="portal",
        identity="portal",
        calls=("consent", "upload", "transcoding", "curation", "notification"),
        public=True,
        replicas=2,
    ),
)

PROCESSES = {process.name: process for process in (*INFRASTRUCTURE, *PRODUCT)}
IDENTITIES = tuple(dict.fromkeys(p.identity for p in PRODUCT if p.identity))

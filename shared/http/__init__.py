"""How every service speaks HTTP."""

from shared.http.app import create_app, run
from shared.http.callers import Caller, authorise
from shared.http.client import client, lives
from shared.http.problems import (
    BadRequest,
    Conflict,
    ConsentOver,
    Invalid,
    NotAllowed,
    NotFound,
    NotReady,
    NotSignedIn,
    Problem,
    TooLarge,
    Unavailable,
    UnsupportedMedia,
    documented,
)
from shared.http.routes import Router

__all__ = [
    "BadRequest",
    "Caller",
    "Conflict",
    "ConsentOver",
    "Invalid",
    "NotAllowed",
    "NotFound",
    "NotReady",
    "NotSignedIn",
    "Problem",
    "Router",
    "TooLarge",
    "Unavailable",
    "UnsupportedMedia",
    "authorise",
    "client",
    "create_app",
    "documented",
    "lives",
    "run",
]

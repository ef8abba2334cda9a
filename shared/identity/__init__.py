"""Who is asking, and what they may do."""

from shared.identity.decisions import Action, Allowed, Denied, Reason, Relation, decide, relation_to
from shared.identity.tokens import (
    ExpiredToken,
    Identity,
    Keys,
    MalformedToken,
    Role,
    Service,
    ServiceToken,
    TokenRefused,
    UntrustedToken,
    load_keys,
    verify,
)

__all__ = [
    "Action",
    "Allowed",
    "Denied",
    "ExpiredToken",
    "Identity",
    "Keys",
    "MalformedToken",
    "Reason",
    "Relation",
    "Role",
    "Service",
    "ServiceToken",
    "TokenRefused",
    "UntrustedToken",
    "decide",
    "load_keys",
    "relation_to",
    "verify",
]

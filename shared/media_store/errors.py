"""What can go wrong between a service and the media, and what each means for the caller."""

from shared.errors import AttuneError


class Refused(AttuneError):
    """Consent said no, and why: kill, wipe, close."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unavailable(AttuneError):
    """Consent or the store gave no answer: try later. Nothing has failed, so no attempt is spent."""


class PermitExpired(Unavailable):
    """The permit ran out before it was used: ask again."""


class Missing(AttuneError):
    """The store does not hold this object."""


class Exists(AttuneError):
    """The store already holds an object of this name."""


class Forbidden(AttuneError):
    """The store gives this service no such right: its policy or the settings are wrong."""


class Tampered(AttuneError):
    """The bytes are not those that were sealed: altered, cut, moved, of another artefact or under another key."""


class FinishedOtherwise(AttuneError):
    """The artefact already has a manifest, and it is not this one."""

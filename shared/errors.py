"""The one base class of our own errors."""


class AttuneError(Exception):
    """Its message is a sentence of ours without personal data, so it may stand in a log; a stranger's may not."""

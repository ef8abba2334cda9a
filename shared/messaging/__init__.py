"""Publishing is a row in the transaction of the change; consuming is a row in the transaction of the effect."""

from shared.messaging.events import Events, Uow
from shared.messaging.observations import observe
from shared.messaging.relay import Relay

__all__ = ["Events", "Relay", "Uow", "observe"]

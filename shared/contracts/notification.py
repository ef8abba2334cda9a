"""What the notification service tells of the messages it sends."""

from uuid import UUID

from shared.contracts.event import Code, Event, event


@event("attune.notification.sent.v1", "notification", subject="delivery_id", outlives=True)
class NotificationSent(Event):
    delivery_id: UUID
    cause: UUID  # the event that made it owed
    channel: Code


@event("attune.notification.undeliverable.v1", "notification", subject="delivery_id", outlives=True)
class NotificationUndeliverable(Event):
    delivery_id: UUID
    cause: UUID
    channel: Code
    code: Code  # no_safe_contact_point | not_by_mail | refused | gave_up

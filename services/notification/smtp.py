"""Mail: one message to one address, and what the server's answer means."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from uuid import UUID

import aiosmtplib

from services.notification.templates import Message
from shared.errors import AttuneError
from shared.settings import SmtpSettings


class Refused(AttuneError):
    """The server says that it will never take this message for this address."""


class TryLater(AttuneError):
    """The server did not take it this time, or went away before it said so."""


class Away(AttuneError):
    """No server to talk to, or it does not let us in: nothing to do with this message."""


@dataclass
class Post:
    """The way out. `reachable` is whether the server let us in the last time; readiness asks it."""

    settings: SmtpSettings
    instance: str
    reachable: bool = True

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """Let in by the server, which may take its time. Raises Away."""
        server = aiosmtplib.SMTP(
            hostname=self.settings.host,
            port=self.settings.port,
            local_hostname=self._domain,
            start_tls=self.settings.starttls,
            username=self.settings.username,
            password=self.settings.password.get_secret_value() if self.settings.password else None,
            timeout=self.settings.timeout_seconds,
        )
        try:
            await self._enter(server)
            yield server
        finally:
            with suppress(aiosmtplib.SMTPException, OSError):  # how they part changes nothing
                await server.quit(timeout=1.0)
            server.close()

    async def _enter(self, server: aiosmtplib.SMTP) -> None:
        try:
            await server.connect()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            self.reachable = False
            raise Away(f"the mail server lets nobody in ({type(error).__name__})") from error
        self.reachable = True

    async def hand_over(
        self, server: aiosmtplib.SMTP, delivery_id: UUID, address: str, message: Message, now: datetime
    ) -> None:
        """Returns when the server has taken it. Raises Refused, TryLater, Away."""
        mail = self._mail(delivery_id, address, message, now)
        try:
            await server.send_message(mail, sender=self.settings.sender, recipients=[address])
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _meaning(error.recipients[0].code) from error
        except aiosmtplib.SMTPSenderRefused as error:  # ours is wrong, not theirs
            self.reachable = False
            raise Away(f"the mail server refuses our own address ({error.code})") from error
        except aiosmtplib.SMTPResponseException as error:
            raise _meaning(error.code) from error
        except aiosmtplib.SMTPNotSupported as error:
            raise Refused("the mail server cannot write to such an address") from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise TryLater(f"the mail server fell silent ({type(error).__name__})") from error

    def _mail(self, delivery_id: UUID, address: str, message: Message, now: datetime) -> EmailMessage:
        """The same message again has the same Message-ID, by which a mailbox knows it."""
        mail = EmailMessage(policy=SMTP if address.isascii() else SMTPUTF8)
        mail["From"], mail["To"], mail["Subject"] = self.settings.sender, address, message.subject
        mail["Message-ID"] = f"<{delivery_id}.{self.instance}@{self._domain}>"
        mail["Date"] = format_datetime(now)
        mail["Auto-Submitted"] = "auto-generated"  # no holiday replies
        mail.set_content(message.text)
        return mail

    @property
    def _domain(self) -> str:
        return self.settings.sender.rpartition("@")[2]


def _meaning(code: int) -> Refused | TryLater:
    return Refused(f"the mail server answered {code}") if code >= 500 else TryLater(f"the mail server answered {code}")

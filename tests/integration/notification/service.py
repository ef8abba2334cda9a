"""The service and its mail sender as processes of their own, and what a test says to them: events over Kafka, HTTP."""

import email
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from typing import Any
from uuid import UUID

import httpx
from aiokafka import AIOKafkaProducer
from joserfc.jwk import OKPKey
from sqlalchemy import select
from uuid_utils.compat import uuid7

from deploy.local.stack import Stack
from shared.contracts import Event, Wire, cloudevents, topic_of
from shared.contracts.consent import CareTeamChanged, CareTeamMember
from shared.database import Database
from shared.identity import Role
from shared.identity.tokens import mint
from shared.messaging.tables import inbox
from shared.settings import DatabaseSettings
from tests.integration.notification.world import Family, Team, eventually


@dataclass
class Service:
    """On a stack of its own: nobody else's events are on its topics. `hears` returns when the event is settled."""

    stack: Stack

    @property
    def url(self) -> str:
        return self.stack.url("notification")

    def database(self) -> Database:
        url = self.stack.database_url("notification")
        return Database(DatabaseSettings.model_validate({"url": url}), "notification")

    # what it hears

    async def send(self, event: Event, family: Family, *, times: int = 1, trace: str | None = None) -> UUID:
        event_id, wire = uuid7(), Wire(family_id=family.family_id, episode_id=family.episode_id)
        service = event.services[0]
        headers = cloudevents.headers(event, wire, id=event_id, source=service, time=datetime.now(UTC), cause=None)
        headers |= {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"} if trace else {}
        producer = AIOKafkaProducer(bootstrap_servers=self.stack.kafka_servers)
        await producer.start()
        try:
            for _ in range(times):
                await producer.send_and_wait(
                    topic_of(service),
                    key=str(wire.key).encode(),
                    value=cloudevents.encode(event, wire),
                    headers=[(name, value.encode()) for name, value in headers.items()],
                )
        finally:
            await producer.stop()
        return event_id

    async def hears(self, event: Event, family: Family, *, times: int = 1, trace: str | None = None) -> UUID:
        event_id, database = await self.send(event, family, times=times, trace=trace), self.database()

        async def settled() -> bool:
            async with database.sessions() as session:
                asked = select(inbox.c.outcome).where(inbox.c.event_id == event_id)
                return await session.scalar(asked) == "done"

        await eventually(settled)
        await database.close()
        return event_id

    async def with_a_team(self, family: Family) -> Team:
        team = Team()
        members = (
            CareTeamMember(person_id=team.practitioner, role="practitioner"),
            CareTeamMember(person_id=team.lead, role="team_lead"),
            CareTeamMember(person_id=team.supervisor, role="supervisor"),
        )
        await self.hears(CareTeamChanged(version=1, members=members), family)
        return team

    # what it answers and sends

    def headers(self, person: UUID, role: Role = Role.PRACTITIONER, family_id: UUID | None = None) -> dict[str, str]:
        key = OKPKey.import_key(json.loads(self.stack.instance.key_file("development").read_text()))
        token = mint(key, str(person), role, datetime.now(UTC), timedelta(hours=1), family_id)
        return {"Authorization": f"Bearer {token}"}

    async def ask(
        self, method: str, path: str, person: UUID, role: Role = Role.PRACTITIONER, **more: Any
    ) -> httpx.Response:
        async with httpx.AsyncClient(base_url=self.url, timeout=60) as http:
            headers = self.headers(person, role, more.pop("family_id", None))
            return await http.request(method, f"/v1{path}", headers=headers, **more)

    async def reachable(self, person: UUID, *, by: UUID | None = None, family: Family | None = None) -> str:
        """At an address of their own, which is returned."""
        address = f"{person}@example.org"
        given = {
            "family_id": str(family.family_id) if family else None,
            "points": [{"channel": "mail", "address": address, "safe": True}],
        }
        answer = await self.ask("PUT", f"/people/{person}/contact-points", by or person, json=given)
        assert answer.status_code == 200, answer.text
        return address

    def mails_to(self, address: str) -> list[EmailMessage]:
        found = []
        for path in sorted(self.stack.mail_folder.glob("*.eml")):
            mail = email.message_from_bytes(path.read_bytes(), policy=default)
            assert isinstance(mail, EmailMessage)
            if mail["X-Envelope-To"] == address:
                found.append(mail)
        return found

    async def arrives(self, address: str, so_many: int = 1) -> list[EmailMessage]:
        async def enough() -> list[EmailMessage]:
            found = self.mails_to(address)
            return found if len(found) >= so_many else []

        return await eventually(enough)

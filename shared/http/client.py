"""How one service asks another."""

import httpx

from shared.http.connections import Connections


def client(base_url: str, auth: httpx.Auth | None = None, seconds: float = 5.0) -> httpx.AsyncClient:
    """For one peer; every step has the deadline, and the trace goes along. Close it."""
    return httpx.AsyncClient(
        base_url=base_url,
        auth=auth,
        timeout=httpx.Timeout(seconds, connect=min(seconds, 2.0)),
        transport=Connections(),
        follow_redirects=False,
        trust_env=False,  # no proxy, no .netrc: a token goes to the peer and nowhere else
    )


async def lives(peer: httpx.AsyncClient) -> bool:
    """Whether the process behind it answers; for readiness."""
    return (await peer.get("/health/live", auth=None)).is_success

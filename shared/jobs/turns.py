"""Whose turn it is."""

from functools import lru_cache
from uuid import UUID

from sqlalchemy import Select, func, or_, select

from shared.jobs.table import JobState, jobs


@lru_cache  # a worker that has nothing to do asks again and again
def next_of(*kinds: str) -> Select[tuple[UUID]]:
    """The job of these kinds to be done next, locked; one that another transaction has locked is passed over.

    Of the highest priority. Of those what a silent worker left, since its turn has come once already; then of the
    person who has the fewest running, then of who was served the longest ago; of one person's the oldest.
    """
    now, theirs = func.clock_timestamp(), jobs.alias("theirs")
    abandoned = (jobs.c.state == JobState.RUNNING) & (jobs.c.leased_until < now)
    waiting = (jobs.c.state == JobState.QUEUED) & (jobs.c.not_before <= now)
    due = (jobs.c.kind.in_(kinds), or_(waiting, abandoned))
    is_theirs = theirs.c.on_behalf_of == jobs.c.on_behalf_of
    # an open job has no closed_at: by it the index finds the few among all that a person ever had
    runs = (theirs.c.closed_at.is_(None), theirs.c.state == JobState.RUNNING, theirs.c.leased_until >= now)
    ended = theirs.c.state.in_((JobState.DONE, JobState.FAILED))
    people = (
        select(
            jobs.c.on_behalf_of,
            select(func.count()).where(is_theirs, *runs).scalar_subquery().label("running"),
            select(func.max(theirs.c.closed_at)).where(is_theirs, ended).scalar_subquery().label("served"),
        )
        .where(*due)
        .group_by(jobs.c.on_behalf_of)
        .cte("people")
    )
    return (
        select(jobs.c.id)
        .join(people, people.c.on_behalf_of == jobs.c.on_behalf_of, isouter=True)
        .where(*due)
        .order_by(
            jobs.c.priority.desc(),
            (jobs.c.state == JobState.RUNNING).desc(),
            people.c.running,
            people.c.served.asc().nulls_first(),
            jobs.c.created_at,
        )
        .limit(1)
        .with_for_update(of=jobs, skip_locked=True)
    )

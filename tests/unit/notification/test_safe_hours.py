"""When a message may be sent: only while nobody but the person sees it."""

from datetime import UTC, datetime, time, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.notification.model import LOCAL, Channel, ContactPoint, chosen

WEEKDAYS = frozenset(range(5))
START = datetime(2026, 1, 1, tzinfo=UTC)


def point(**given: object) -> ContactPoint:
    return ContactPoint(**{"channel": Channel.MAIL, "address": "a@example.org", "safe": True, **given})  # type: ignore[arg-type]


def local(year: int, month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=LOCAL)


def test_without_hours_any_time_is_safe() -> None:
    assert point().safe_at(local(2026, 11, 24, 3))


def test_hours_end_before_their_end() -> None:
    lunch = point(safe_from=time(12), safe_until=time(13))
    minutes = [(11, 59), (12, 0), (12, 59), (13, 0)]
    assert [lunch.safe_at(local(2026, 11, 24, *minute)) for minute in minutes] == [False, True, True, False]


def test_hours_over_midnight_belong_to_the_day_they_begin_on() -> None:
    night = point(safe_from=time(22), safe_until=time(6), safe_days=frozenset({4}))  # the night from Friday to Saturday
    friday, saturday = local(2026, 11, 27, 23), local(2026, 11, 28, 5)
    assert night.safe_at(friday)
    assert night.safe_at(saturday)
    assert not night.safe_at(friday - timedelta(days=1))
    assert not night.safe_at(saturday + timedelta(days=1))
    assert not night.safe_at(local(2026, 11, 27, 5))  # the night before Friday


def test_a_message_on_friday_evening_waits_for_monday_morning() -> None:
    at_work = point(safe_from=time(9), safe_until=time(15), safe_days=WEEKDAYS)
    assert at_work.next_safe(local(2026, 11, 27, 18)) == local(2026, 11, 30, 9)


def test_hours_are_local_in_summer_too() -> None:
    morning = point(safe_from=time(9), safe_until=time(10))
    assert morning.next_safe(datetime(2026, 7, 1, 0, 0, tzinfo=UTC)) == datetime(2026, 7, 1, 8, 0, tzinfo=UTC)


def test_hours_that_the_clock_change_skips_come_on_another_day() -> None:
    skipped = point(safe_from=time(1, 15), safe_until=time(1, 45))  # 29 March 2026: 1:00 becomes 2:00
    opening = skipped.next_safe(local(2026, 3, 29, 0, 30))
    assert skipped.safe_at(opening)
    assert opening.astimezone(LOCAL).date().day == 30


def test_hours_of_one_day_a_week_that_the_clock_change_skips_come_a_week_later() -> None:
    skipped = point(safe_from=time(1, 15), safe_until=time(1, 45), safe_days=frozenset({6}))
    assert skipped.next_safe(local(2026, 3, 23, 8)) == local(2026, 4, 5, 1, 15)


@given(
    now=st.integers(0, 2 * 365 * 24 * 3600).map(lambda seconds: START + timedelta(seconds=seconds)),
    days=st.frozensets(st.integers(0, 6), min_size=1),
    hours=st.none() | st.tuples(st.times(), st.times()).filter(lambda pair: pair[0] != pair[1]),
)
def test_what_comes_next_is_safe_and_nothing_safe_lies_before_it(
    now: datetime, days: frozenset[int], hours: tuple[time, time] | None
) -> None:
    begin, end = hours or (None, None)
    somebody = point(safe_days=days, safe_from=begin, safe_until=end)
    opening = somebody.next_safe(now)
    assert opening >= now
    assert somebody.safe_at(opening)
    changed = now.astimezone(LOCAL).utcoffset() != opening.astimezone(LOCAL).utcoffset()
    if opening > now and not changed:  # on that day a window that begins in the hour left out is left out
        assert not somebody.safe_at(now)
        between = (opening - now) / 7
        assert not any(somebody.safe_at(now + step * between) for step in range(7))


def test_the_preferred_safe_one_is_chosen() -> None:
    shared, second, third = (
        point(safe=False, preferred=True),
        point(address="b@example.org"),
        point(address="c@example.org"),
    )
    assert chosen([shared, second, third]) is second
    assert chosen([shared, second, preferred := point(address="d@example.org", preferred=True)]) is preferred
    assert chosen([shared]) is None
    assert chosen([]) is None

"""What the data map says of these tables can be acted on."""

import pytest
from sqlalchemy import Table, Text

from services.curation.migrations import metadata
from shared.database.data_map import Holds, holds

TABLES = metadata.sorted_tables
# Free text that outlasts the media, by name: whoever adds a column here has thought about it.
WORDS_THAT_STAY = {("goals", "words"), ("shared_reviews", "summary")}


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_what_is_about_media_can_be_found_and_taken_away(table: Table) -> None:
    about = [column for column in table.c if holds(column) is Holds.ABOUT_MEDIA]
    if not about:
        return
    assert "episode_id" in table.c
    assert "recording_id" in table.c or "made_from" in table.c
    if holds(table) is Holds.RECORD:
        assert all(column.nullable for column in about)
        assert {table.c.episode_id} & set(about) == set()


def test_no_words_stay_but_those_that_were_chosen_to() -> None:
    stay = {
        (table.name, column.name)
        for table in TABLES
        for column in table.c
        if isinstance(column.type, Text) and holds(column) is Holds.RECORD
    }
    assert stay == WORDS_THAT_STAY

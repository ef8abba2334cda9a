from pathlib import Path

from shared.contracts.documents import write

write(Path(__file__).parents[2] / "docs" / "events")

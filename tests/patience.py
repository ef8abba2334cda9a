"""How long a test waits for what must come. The machine may be slow, and no test is about speed."""

PATIENCE_SECONDS = 300.0

"""`make fuzz`: mutated films through the whole way of a film, for as long as told.

`python -m tests.fuzz [--seconds N] [--seed WORD] [--case N ...]`

No case may hang, crash the worker, leave a process or a file behind, or fail in a way that is not documented. Films
that do are kept in .local/fuzz, with why. The seed is printed: `--seed WORD --case N` is that case again (with the same
films: FILMS names a folder of real ones). Exit code 1 if there are finds.
"""

import argparse
import os
import secrets
import sys
import tempfile
from pathlib import Path

from tests.fuzz.fuzzing import Fuzz, Outcome, go, lasting, seeds

KEPT = Path(__file__).parents[2] / ".local" / "fuzz"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=1800, metavar="N", help="for so long (half an hour)")
    parser.add_argument("--seed", default=secrets.token_hex(4), metavar="WORD", help="of the cases; without: a new one")
    parser.add_argument("--case", type=int, nargs="+", metavar="N", help="these alone")
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        fuzz = Fuzz(given.seed, seeds(Path(folder)), KEPT)
        outcome = go(fuzz, iter(given.case) if given.case else lasting(given.seconds), told)
    print("".join(f"\n{count:6} {ended}" for ended, count in outcome.ended.most_common()))
    for find in outcome.finds:
        print(f"\n{find.case} ({find.film})\n  {find.why}")
    print(f"\n{outcome.cases} films of seed {given.seed}, {len(outcome.finds)} finds")
    sys.exit(1 if outcome.finds else 0)


def told(outcome: Outcome, how: str) -> None:
    if sys.stdout.isatty():
        print(f"\r\033[K{outcome.cases} films, {len(outcome.finds)} finds: {how}", end="", flush=True)
    elif outcome.cases % 100 == 0:
        print(f"{outcome.cases} films, {len(outcome.finds)} finds", flush=True)


if __name__ == "__main__":
    os.nice(10)
    main()

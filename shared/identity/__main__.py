"""A person's token, for development and tests: python -m shared.identity token --role practitioner --subject UUID

Minted with the private key that ATTUNE_DEVELOPMENT_KEY_FILE names.
"""

import argparse
from datetime import timedelta
from uuid import UUID

from shared.errors import AttuneError
from shared.identity.development import development_token
from shared.identity.tokens import PERSON_LIFE, Role
from shared.settings import DevelopmentSettings


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m shared.identity", description="A person's token, for development")
    commands = parser.add_subparsers(dest="command", required=True)
    token = commands.add_parser("token", help="print a person's token")
    token.add_argument("--role", type=Role, choices=[role for role in Role if role is not Role.SERVICE], required=True)
    token.add_argument("--subject", type=UUID, required=True)
    token.add_argument("--family-id", type=UUID)
    token.add_argument("--hours", type=float, default=PERSON_LIFE / timedelta(hours=1))
    given = parser.parse_args()
    try:
        life = min(timedelta(hours=given.hours), PERSON_LIFE)
        print(development_token(given.role, given.subject, given.family_id, DevelopmentSettings(), life))
    except AttuneError as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()

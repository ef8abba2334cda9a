"""How the pages say it: states, dates, roles and purposes in plain words. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.telemetry.references import reference

HOME = ZoneInfo("Europe/London")


def day(value: str | date | None) -> str:
    """24 November 2026."""
    if not value:
        return ""
    found = date.fromisoformat(value[:10]) if isinstance(value, str) else value
    return f"{found.day} {found:%B %Y}"


def moment(value: str | datetime | None) -> str:
    """24 November 2026, 2:05pm."""
    if not value:
        return ""
    found = (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(HOME)
    hour = found.hour % 12 or 12
    return f"{day(found.date())}, {hour}:{found:%M}{'am' if found.hour < 12 else 'pm'}"


def size(count: int) -> str:
    """In the unit that reads best."""
    if count >= 1e9:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{-(-count // 1000)} KB"


def ref(value: str | UUID) -> str:
    """The short reference of an id."""
    return reference(UUID(str(value)))


def clock(frame: int, rate: Mapping[str, int]) -> str:
    """Where a frame stands: minutes, seconds and hundredths."""
    hundredths = frame * rate["denominator"] * 100 // rate["numerator"]
    return f"{hundredths // 6000}:{hundredths // 100 % 60:02d}.{hundredths % 100:02d}"


def seconds(frames: int, rate: Mapping[str, int]) -> str:
    return f"{frames * rate['denominator'] / rate['numerator']:.1f} seconds"


def names(family: Mapping[str, Any]) -> str:
    """A family as its care team calls it: the people in it."""
    found = [str(person["name"]) for person in family["people"]]
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}"


SAID = {
    "registered": "The family is registered.",
    "rights": "The conversation about rights is recorded.",
    "consented": "Consent is recorded.",
    "team": "The care team is changed.",
    "person": "The person is added.",
    "contact": "How we may reach this person is saved.",
    "needs": "What this person needs is saved.",
    "card": "Thank you. The card is confirmed as wiped.",
    "clip": "The clip is marked. It is cut in the background.",
    "reel": "The clips are in order. You can play them at once; the film of them is made in the background.",
    "still": "The still is being made.",
    "retry": "We are trying again.",
    "done": "The review task is done.",
    "assigned": "The review task is handed over.",
    "goal": "The goal is recorded.",
    "rated": "The rating is recorded.",
    "review": "The shared review is recorded.",
    "told": "Thank you. It is recorded that they were told.",
    "withdrawn": "Consent is withdrawn. Nothing can be watched any more.",
    "suspended": "Consent is suspended: nothing can be watched.",
    "stopped": "You have withdrawn. Everything is stopped, and nobody can watch. Nothing is erased yet.",
    "narrowed": "Consent for this purpose is withdrawn.",
    "reinstated": "Consent is reinstated.",
    "discarded": "The recording is being erased.",
    "ended": "It is recorded that our work with this family has ended.",
    "signed-out": "You are signed out.",
}

ROLES = {"baby": "Baby", "unborn": "Baby, not born yet", "parent": "Parent", "other": "Another person"}
TEAM_ROLES = {"practitioner": "Practitioner", "supervisor": "Supervisor", "team_lead": "Team lead"}
VIEWERS = {
    "practitioner": "A practitioner of your care team",
    "supervisor": "A supervisor of your care team",
    "family": "Your family",
}

PURPOSES = {
    "film": "Being filmed",
    "review": "The practitioner watches the film, makes clips and shows them to the family",
    "supervision": "The practitioner's supervisor watches",
    "stills": "Making pictures from the film",
    "training": "Training of other practitioners",
}
SHORT_PURPOSES = {"film": "being filmed", "review": "watching and clips", "stills": "pictures"}
AUTHORITIES = {
    "self": "They agree for themselves",
    "parental_responsibility": "A parent or carer agrees, who has parental responsibility",
    "court_order": "A court order says so",
}
METHODS = {
    "paper": "On paper, with a signed form",
    "e_sign": "Signed electronically",
    "spoken": "Spoken, before a witness",
}
ROUTES = {"in_person": "In person", "phone": "By phone", "letter": "By letter", "page": "On their own page"}
KINDS = {"parent_baby": "Parent and baby", "shared_review": "Shared review"}
DISCARDS = {
    "baby_distressed": "The baby was distressed",
    "parent_asked": "The parent asked for it",
    "wrong_film": "It is the wrong film",
    "somebody_else_in_it": "Somebody is in the picture who should not be",
}

PRINCIPLES = {
    "being_attentive": (
        "Being attentive",
        "Looking with interest, giving time, wondering what the other feels",
    ),
    "encouraging_initiatives": ("Encouraging initiatives", "Waiting, listening, a friendly voice, naming what happens"),
    "receiving_initiatives": ("Receiving initiatives", "Showing that it was seen: a smile, a nod, a word, eye contact"),
    "developing_attuned_interactions": (
        "Developing attuned interactions",
        "Taking turns, responding to the response, laughing and being quiet together",
    ),
    "guiding": ("Guiding", "Leading the way, giving support, saying what comes next"),
    "deepening_discussion": ("Deepening discussion", "Naming differences, managing them, reaching new meaning"),
}


def purpose(code: str) -> str:
    """In a word or two."""
    return SHORT_PURPOSES.get(code, code.replace("_", " "))


def principle(code: str) -> str:
    return PRINCIPLES[code][0] if code in PRINCIPLES else code.replace("_", " ").capitalize()


# of a message that could not be sent: what to tell in person
TO_TELL = {
    "request_received": "We have received their request to withdraw",
    "request_held": "Their withdrawal is received and everything is stopped; nothing is erased yet",
    "request_undone": "Their withdrawal was taken back, and films can be watched again: is that what they want?",
    "request_complete": "The erasure that they asked for is complete",
}
# why it could not be sent, by the code
NOT_SENT = {
    "no_safe_contact_point": "There is no safe way to write to them.",
    "not_by_mail": "A message by mail would not meet what they need.",
    "refused": "The mail server does not take messages for their address. Check it with them.",
    "gave_up": "The mail server did not take the message, though we tried for long.",
}
# of a person: what they need so that they can read, hear or understand us
NEEDS = {
    "large_print": "Large print",
    "easy_read": "Easy Read",
    "braille": "Braille",
    "audio": "Audio: something to listen to",
    "sign_language": "Sign language",
    "lip_reading": "To see faces, for lip-reading",
    "spoken": "To be talked with rather than written to",
    "more_time": "More time",
    "advocate": "An advocate with them",
}
OTHER_LANGUAGE = "und"  # as BCP 47 writes a language that is not determined
# fmt: off
LANGUAGES = {
    "en": "English", "cy": "Welsh", "sq": "Albanian", "am": "Amharic", "ar": "Arabic", "bn": "Bengali",
    "bg": "Bulgarian", "zh": "Chinese", "fr": "French", "el": "Greek", "gu": "Gujarati", "hi": "Hindi",
    "hu": "Hungarian", "it": "Italian", "ku": "Kurdish", "lt": "Lithuanian", "ml": "Malayalam", "ne": "Nepali",
    "pa": "Panjabi", "ps": "Pashto", "fa": "Persian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian",
    "ru": "Russian", "sk": "Slovak", "so": "Somali", "es": "Spanish", "ta": "Tamil", "ti": "Tigrinya",
    "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese", OTHER_LANGUAGE: "Another language",
}
# fmt: on


def language(code: str) -> str:
    return LANGUAGES.get(code, code)


def needs(said: Mapping[str, Any] | None) -> list[str]:
    """What a person needs, for whoever talks with them; nothing where they need nothing else, or nobody has asked."""
    if not said:
        return []
    found = [name for code, name in NEEDS.items() if code in said["needs"]]
    other = None if (said["language"] or "en").lower().split("-")[0] == "en" else said["language"]
    if said["interpreter"]:
        found.append(f"An interpreter: {language(other)}" if other else "An interpreter")
    elif other:
        found.append(f"Language: {language(other)}")
    return [*found, said["other"]] if said["other"] else found


# of a review task, by its state: tag, colour, what to do
TASKS = {
    "preparing": ("Being prepared", "blue", "Nothing to do yet: the film is being made ready to watch."),
    "ready": ("Ready to watch", "green", "Watch the film and mark what goes well."),
    "blocked": ("Needs you", "red", "The film could not be made ready."),
    "done": ("Done", "grey", "Reviewed."),
}
CUTS = {
    "marked": ("Waits for the film", "grey"),
    "requested": ("Being made", "blue"),
    "ready": ("Ready", "green"),
    "failed": ("Failed", "red"),
}
# why there is no still, by the code
NO_STILL = {
    "not_allowed": "Not everybody in this film agrees that pictures are made from it. Talk about it with the family and"
    " record their consent for pictures; then try again.",
    "else": "The still could not be made. Try again; if it happens twice, tell your support team.",
}
# of an upload
ARRIVALS = {
    "receiving": ("Arriving", "blue", "The film is still arriving. Keep the card."),
    "verifying": ("Being checked", "blue", "The whole film is here and is being read back. Keep the card."),
    "received": ("Safe", "green", "The film is here, whole and sealed."),
    "rejected": ("Turned away", "red", "There is no recording."),
    "cancelled": ("Stopped", "grey", "The upload was stopped. There is no recording."),
}
EPISODES = {
    "open": ("Consent given", "green"),
    "suspended": ("Consent suspended", "orange"),
    "ended": ("Consent ended", "grey"),
}
KEPT = {
    "recording": "A film as it came off the camera",
    "review_film": "A film made ready to watch",
    "clip": "A clip",
    "reel": "Clips put together for a shared review",
    "still": "A still: one moment as a picture",
    "poster": "A picture from a film",
    "sprite": "Small pictures from a film, to find a place in it",
    "waveform": "How loud a film is, as a drawing",
    "evidence": "A signed form",
}
BESIDE = ("poster", "sprite", "waveform")  # what a film's page shows by itself: nobody asks to see it
WATCHED = KEPT | {"first_look": "A first look at a film, before it was made ready"}  # it is not kept


def by_kind(things: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """What is kept, in the order in which people think of it."""
    found = [(kind, [one for one in things if one["kind"] == kind]) for kind in KEPT]
    return [(kind, some) for kind, some in found if some]


# of an erasure, for everybody: heading, sentence; in this order
ERASURE_STEPS = (
    ("purging", "Everything is deleted", "Each part of Attune deletes what it holds, and says so."),
    (
        "draining",
        "A waiting time",
        "We wait until nothing that was under way can arrive, and delete once more.",
    ),
    ("verifying", "Somebody else looks", "A separate program looks through every store for anything left."),
    ("certified", "Done and certified", "Nothing was left. There is a signed certificate."),
)


def erasure_steps(state: str) -> list[dict[str, str]]:
    """How far an erasure is: each step as done, current or to come."""
    position = [code for code, _, _ in ERASURE_STEPS].index(state)
    last = len(ERASURE_STEPS) - 1
    return [
        {
            "heading": heading,
            "sentence": sentence,
            "stand": "done" if number < position or position == last else "now" if number == position else "to come",
        }
        for number, (_, heading, sentence) in enumerate(ERASURE_STEPS)
    ]


def holds(standing: Sequence[Mapping[str, Any]]) -> str:
    """What keeps an episode from ending, for its care team."""
    said = (f"{one['kind'].capitalize()} hold, to be looked at again on {day(one['review_on'])}." for one in standing)
    return " ".join(said)


# why consent says no, in the middle of something
REFUSED = {
    "suspended": "The family's consent is suspended: nobody can watch. Nothing is lost.",
    "ended": "The family has withdrawn its consent. Nothing can be watched any more, and the films are being erased.",
    "discarded": "This recording was discarded and is being erased.",
}

"""The words that entries are made of: times, numbers, people and what happened. Pure.

All in the clinic's time zone, by its clock and in its language. What is to be translated passes
through `say` or `say_many`, where translators' tools find it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import phonenumbers
from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, get_time_format
from babel.support import NullTranslations, Translations

from ..telephony.summaries import CallSummary, Direction, Leg, Outcome
from .rules import Names

CATALOGUES = Path(__file__).parents[1] / "locale"
SOURCE_LANGUAGE = "en"


@dataclass(frozen=True, slots=True)
class Voice:
    """How a clinic speaks: its time zone and region, its clock ('12', '24' or 'region', which is
    as people there write it), its language, and what it calls its queues, lines and so on."""

    timezone: str
    region: str
    clock: str = "region"
    language: str = SOURCE_LANGUAGE
    names: Names = field(default_factory=Names)

    def say(self, text: str, /, **parts: object) -> str:
        """A sentence in the clinic's language, with `{name}` for each of its parts."""
        return _catalogue(self.language).gettext(text).format(**parts)

    def say_many(self, one: str, many: str, count: int) -> str:
        """As `say`, for what is counted; `{count}` is the number."""
        return _catalogue(self.language).ngettext(one, many, count).format(count=count)

    def moment(self, at: datetime) -> str:
        """'Mon 2 Mar 2026, 9:00 am' or 'Mon 2 Mar 2026, 09:00'."""
        pattern = f"EEE d MMM y, {self._time_pattern}"
        return self._written(at, pattern)

    def lately(self, at: datetime, now: datetime) -> str:
        """'9:00 am' if that is today's, else 'Mon 2 Mar, 9:00 am'; with its year if another."""
        zone = ZoneInfo(self.timezone)
        day, today = at.astimezone(zone).date(), now.astimezone(zone).date()
        if day == today:
            return self.time(at)
        if day.year == today.year:
            return self._written(at, f"EEE d MMM, {self._time_pattern}")
        return self.moment(at)

    def time(self, at: datetime) -> str:
        """'9:00 am' or '09:00'."""
        return self._written(at, self._time_pattern)

    def day(self, day: date) -> str:
        """'Monday, 2 March 2026'."""
        return format_date(day, "EEEE, d MMMM y", locale=_locale(self.language))

    def number(self, number: str, raw: str) -> str:
        """A number as people of the clinic's region write it."""
        if not number.startswith("+"):
            return raw or self.say("an unknown number")
        return _as_written(number, self.region) or raw or number

    def about(self, seconds: int) -> str:
        """A duration in words: 'about 40 s', 'about 3 min', 'about 1 h 5 min'."""
        if seconds < 60:
            return self.say("about {seconds} s", seconds=seconds)
        hours, minutes = divmod(round(seconds / 60), 60)
        if hours:
            return self.say("about {hours} h {minutes} min", hours=hours, minutes=minutes)
        return self.say("about {minutes} min", minutes=minutes)

    def listed(self, words: Sequence[str]) -> str:
        """'a', 'a and b', 'a, b and c'."""
        if len(words) < 2:
            return "".join(words)
        return self.say("{most} and {last}", most=", ".join(words[:-1]), last=words[-1])

    def people(self, legs: Sequence[Leg]) -> str:
        """The people at these extensions: 'Amy (101) and 102'."""
        return self.listed(sorted(self._person(leg.extension, leg.name) for leg in legs))

    def rung(self, legs: Sequence[Leg]) -> str:
        """The extensions that rang: 'Amy (101) and 102', where the clinic names 101."""
        return self.listed([self._person(leg.extension, "") for leg in legs])

    def queues(self, summary: CallSummary) -> list[str]:
        """The queues a call was in, by name or number."""
        return [self.names.queues.get(each, each) for each in summary.queues]

    def ring_groups(self, summary: CallSummary) -> list[str]:
        """The ring groups a call was in, by name or number."""
        return [self.names.ring_groups.get(each, each) for each in summary.ring_groups]

    def line(self, number: str, name: str = "") -> str:
        """A line of the clinic's by its name and number; `name` is what the phone system says."""
        called = self.names.lines.get(number, name)
        return ", ".join(part for part in (called, number and self.number(number, number)) if part)

    def _person(self, extension: str, name: str) -> str:
        called = self.names.extensions.get(extension, name)
        return f"{called} ({extension})" if called else extension

    @property
    def _time_pattern(self) -> str:
        is_12 = self.clock == "12" or (self.clock == "region" and _has_halves(self.region))
        return "h:mm a" if is_12 else "HH:mm"

    def _written(self, at: datetime, pattern: str) -> str:
        locale = _locale(self.language)
        said = format_datetime(at, pattern, tzinfo=ZoneInfo(self.timezone), locale=locale)
        return said.replace("AM", "am").replace("PM", "pm")


def name_people(summary: CallSummary, names: Names) -> CallSummary:
    """The same call, with its extensions called what the clinic calls them."""
    known = names.extensions
    legs = (replace(leg, name=known.get(leg.extension, leg.name)) for leg in summary.legs)
    return replace(summary, legs=tuple(legs))


def tell_way(summary: CallSummary, voice: Voice) -> Iterator[str]:
    """How an answered call came to who had it, as sentences."""
    through = [voice.say("queue {number}", number=each) for each in voice.queues(summary)]
    through += [voice.say("ring group {number}", number=g) for g in voice.ring_groups(summary)]
    if through:
        yield voice.say("It came through {way}.", way=voice.listed(through))
    if len(summary.answered_by) > 1:
        people = voice.people(summary.answered_by)
        yield voice.say("It was transferred between {people}.", people=people)
    if rang := [leg for leg in summary.legs if leg.has_rung and not leg.has_answered]:
        yield voice.say("Also rang {people}.", people=voice.people(rang))


def tell_how_far(summary: CallSummary, voice: Voice) -> str:
    """How far a caller got whom nobody answered: 'in queue 700, rang 101 and 102'."""
    steps = tell_places(summary, voice)
    if rang := [leg for leg in summary.legs if leg.has_rung]:
        steps.append(voice.say("rang {extensions}", extensions=voice.rung(rang)))
    return ", ".join(steps) or voice.say("before ringing")


def tell_places(summary: CallSummary, voice: Voice) -> list[str]:
    """Where a caller waited: 'in queue 700', 'in ring group 600'."""
    places = [voice.say("in queue {number}", number=each) for each in voice.queues(summary)]
    groups = voice.ring_groups(summary)
    return places + [voice.say("in ring group {number}", number=each) for each in groups]


def tell_outcome(summary: CallSummary, voice: Voice) -> str:
    """What a call came to, in a sentence or more; '' where its title says it all."""
    if summary.direction is Direction.OUTBOUND:
        return voice.say("Whether it was answered is not reported by the phone system.")
    how_far = tell_how_far(summary, voice)
    if summary.outcome is Outcome.MISSED:
        return voice.say("Nobody answered. How far it got: {how_far}.", how_far=how_far)
    if summary.outcome is Outcome.VOICEMAIL:
        return voice.say(
            "Nobody answered ({how_far}); the caller reached voicemail"
            " and may have left a message.",
            how_far=how_far,
        )
    if summary.outcome is Outcome.ANSWERED_THEN_VOICEMAIL:
        return voice.say("The caller ended in voicemail after the call was answered.")
    return " ".join(tell_way(summary, voice)) if summary.outcome is Outcome.ANSWERED else ""


def languages() -> list[str]:
    """The languages in which Ringnote's own words are known."""
    found = {path.parents[1].name for path in CATALOGUES.glob("*/LC_MESSAGES/ringnote.mo")}
    return sorted(found | {SOURCE_LANGUAGE})


def iso(at: datetime) -> str:
    """A moment as entries keep it: UTC, to the second."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@lru_cache(maxsize=32)
def _catalogue(language: str) -> NullTranslations:
    return Translations.load(str(CATALOGUES), [language], domain="ringnote")


@lru_cache(maxsize=32)
def _locale(language: str) -> Locale:
    try:
        return Locale.parse(language, sep="-" if "-" in language else "_")
    except (UnknownLocaleError, ValueError):
        return Locale.parse(SOURCE_LANGUAGE)


@lru_cache(maxsize=512)
def _has_halves(region: str) -> bool:
    """Whether people of a region write 2:30 pm rather than 14:30."""
    try:
        locale = Locale.parse(f"und_{region}")
    except (UnknownLocaleError, ValueError):
        return False
    return "a" in get_time_format("short", locale=locale).pattern


@lru_cache(maxsize=4096)
def _as_written(number: str, region: str) -> str:
    """An E.164 number as people of the region write it; '' if it cannot be read."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return ""
    home = phonenumbers.country_code_for_region(region) == parsed.country_code
    style = phonenumbers.PhoneNumberFormat
    return phonenumbers.format_number(parsed, style.NATIONAL if home else style.INTERNATIONAL)

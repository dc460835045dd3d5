"""Opens what the command wrote with a library that nobody here wrote, expands it there, and compares."""

import json
import subprocess
import sys
import tempfile
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import icalendar
import recurring_ical_events

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from letters import PASSWORD, USER, PostOffice
from stage import Report

CONFIG = """domains = ["contoso.example"]
edge = "sip.contoso.example"
[certificate]
chain = "contoso.pem"
key = "contoso.key"
[listen]
tls = ["127.0.0.1:5061"]
"""

TODAY = datetime.now(timezone.utc).date()
SPRING = date(TODAY.year + 1, 3, 1)

# Where the clocks change in various ways, by rules and without, or not at all; the times are such as some of them skip or repeat.
ZONES = [
    ("Europe/Berlin", "02:30"),
    ("America/New_York", "02:30"),
    ("America/New_York", "01:30"),
    ("America/St_Johns", "10:00"),
    ("Australia/Lord_Howe", "02:15"),
    ("America/Santiago", "00:00"),
    ("Asia/Gaza", "10:00"),
    ("Asia/Kolkata", "10:00"),
    ("UTC", "10:00"),
]

SERIES = [
    ["--every", "day", "--count", "10"],
    ["--every", "3 days", "--until", str(SPRING + timedelta(days=600))],
    ["--every", "week", "--count", "9"],
    ["--every", "2 weeks", "--on", "mon,thu,sun", "--count", "10"],
    ["--every", "week", "--on", "tue"],
    ["--every", "month", "--count", "8"],
    ["--every", "month", "--on", "second tue", "--count", "8"],
    ["--every", "month", "--on", "last sun"],
    ["--every", "2 months", "--on", "first mon,third thu", "--until", str(SPRING + timedelta(days=900))],
    ["--every", "5 months", "--until", str(SPRING + timedelta(days=1800))],
]


def week_before_changes(zone):
    """The days a week before the next two changes of the clocks, from a while ahead on; any day where there are none."""
    known = ZoneInfo(zone)
    days = [SPRING - timedelta(days=60) + timedelta(days=count) for count in range(500)]
    offsets = [datetime.combine(day, datetime.min.time(), known).utcoffset() for day in days]
    changes = [days[at] for at in range(1, len(days)) if offsets[at] != offsets[at - 1]]
    return [change - timedelta(days=8) for change in changes[:2]] or [SPRING]


MAIL = """[mail]
smtp = "smtp://{host}:{port}"
user = "{user}"
password_file = "password"
roots = "office.pem"
from = "Meetings <meetings@contoso.example>"
"""


class Comity:
    def __init__(self, program, folder, office):
        (folder / "comity.toml").write_text(CONFIG + MAIL.format(host=office.host, port=office.port, user=USER))
        (folder / "password").write_text(PASSWORD + "\n")
        self.program, self.folder = program, folder

    def run(self, *arguments):
        command = [self.program, "--config", str(self.folder / "comity.toml"), "--json", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            told = f"exit code {done.returncode}: {done.stderr}{done.stdout}"
            raise RuntimeError(f"{' '.join(arguments)}: {told}")
        return json.loads(done.stdout)

    def meeting(self, *arguments):
        """A new meeting, with its invitation as it was written to a file."""
        file = self.folder / "invitation.ics"
        file.unlink(missing_ok=True)
        made = self.run(
            "meeting", "create", "--organiser", "alice@contoso.example", "--for", "45m", "--invitation", str(file), *arguments
        )
        return made["meeting"], file.read_bytes()


def read(data):
    calendar = icalendar.Calendar.from_ical(data)
    assert calendar.to_ical() and not calendar.errors, calendar.errors
    for component in calendar.walk():
        assert not component.errors, (component.name, component.errors)
    return calendar


def event(calendar):
    (found,) = calendar.walk("VEVENT")
    return found


def expanded(calendar, first, last):
    """The starts by that library, in seconds since 1970."""
    events = recurring_ical_events.of(calendar).between(first, last)
    return sorted(int(found["DTSTART"].dt.timestamp()) for found in events)


def same_starts(comity, meeting, calendar):
    shown = comity.run("meeting", "show", meeting["id"])["occurrences"]
    ours = [found["start_unix"] for found in shown]
    assert ours, "there are none"
    first = datetime.fromtimestamp(min(ours), timezone.utc) - timedelta(hours=1)
    last = datetime.fromtimestamp(max(ours), timezone.utc) + timedelta(minutes=1)
    theirs = expanded(calendar, first, last)
    assert theirs == sorted(ours), f"ours {ours}, theirs {theirs}"
    return ours


def same_rules(meeting, calendar, starts):
    """The printed rules of the zone alone tell the same offsets as Python's own database."""
    printed = [zone.to_tz(lookup_tzid=False) for zone in calendar.walk("VTIMEZONE")]
    if meeting["zone"] == "UTC":
        assert not printed
        return
    known = ZoneInfo(meeting["zone"])
    (printed,) = printed
    begin = datetime.fromtimestamp(starts[0], timezone.utc).astimezone(known).replace(tzinfo=None)
    for days in range(0, (starts[-1] - starts[0]) // 86400 + 1):
        for hour in [5, 12, 20]:  # no clock changes then
            local = (begin + timedelta(days=days)).replace(hour=hour, minute=0)
            found, expected = (local.replace(tzinfo=zone).utcoffset() for zone in [printed, known])
            assert found == expected, f"{local} in {meeting['zone']}: {found}, not {expected}"


def expansion(comity, zone, at, series):
    meeting, data = comity.meeting("--subject", "Series", "--at", at, "--zone", zone, *series)
    calendar = read(data)
    starts = same_starts(comity, meeting, calendar)
    same_rules(meeting, calendar, starts)


def properties(comity):
    subject = "Büro, Küche; Bad \\ Flur: " + "ä" * 90
    meeting, data = comity.meeting(
        "--subject", subject, "--at", f"{SPRING} 10:00", "--zone", "Europe/Berlin",
        "--invite", "bob@fabrikam.example", "--optional", "carol@northwind.example",
    )
    assert all(len(line) <= 75 for line in data.split(b"\r\n")) and b"\n" not in data.replace(b"\r\n", b"")
    calendar = read(data)
    assert (calendar["METHOD"], calendar["VERSION"]) == ("REQUEST", "2.0")
    found = event(calendar)
    uri = meeting["uri"]
    assert found["SUMMARY"] == subject, found["SUMMARY"]
    assert found["UID"] == uri.removeprefix("sip:") and found["SEQUENCE"] == 0
    assert str(found["URL"]) == str(found["LOCATION"]) == str(found["CONFERENCE"]) == uri
    assert found["CONFERENCE"].params["FEATURE"] == "AUDIO"
    assert str(found["ORGANIZER"]) == "mailto:alice@contoso.example"
    assert found["DTSTART"].dt == datetime(SPRING.year, 3, 1, 10, tzinfo=ZoneInfo("Europe/Berlin"))
    assert found.duration == timedelta(minutes=45)
    assert abs(datetime.now(timezone.utc) - found["DTSTAMP"].dt) < timedelta(minutes=5)
    attendees = {str(person): dict(person.params) for person in found["ATTENDEE"]}
    assert sorted(attendees) == ["mailto:bob@fabrikam.example", "mailto:carol@northwind.example"]
    bob, carol = (attendees[name] for name in sorted(attendees))
    assert (bob["ROLE"], carol["ROLE"]) == ("REQ-PARTICIPANT", "OPT-PARTICIPANT")
    assert bob["RSVP"] == "TRUE" and bob["PARTSTAT"] == "NEEDS-ACTION"


def life(comity):
    """An invitation, its update, one occurrence moved, another cancelled, and the end: one UID, a growing SEQUENCE."""
    meeting, data = comity.meeting(
        "--subject", "Life", "--at", f"{SPRING} 10:00", "--zone", "Europe/Berlin", "--every", "week", "--count", "6",
        "--invite", "bob@fabrikam.example",
    )
    told = [data]
    for arguments in [
        ["set", "--at", f"{SPRING} 11:00"],
        ["set", "--only", str(SPRING + timedelta(days=14)), "--at", f"{SPRING + timedelta(days=15)} 16:00"],
        ["cancel", "--only", str(SPRING + timedelta(days=21))],
    ]:
        change = comity.run("meeting", arguments[0], meeting["id"], *arguments[1:])
        told.append(change["invitation"].encode())
    current = comity.folder / "current.ics"
    with current.open("wb") as file:
        command = [comity.program, "--config", str(comity.folder / "comity.toml"), "meeting", "invite", meeting["id"]]
        subprocess.run(command, stdout=file, stderr=subprocess.DEVNULL, check=True)
    starts = same_starts(comity, meeting, read(current.read_bytes()))
    days = [datetime.fromtimestamp(start, timezone.utc).date() for start in starts]
    assert [(day - SPRING).days for day in days] == [0, 7, 15, 28, 35], days

    told.append(comity.run("meeting", "cancel", meeting["id"])["invitation"].encode())
    calendars = [read(data) for data in told]
    assert [calendar["METHOD"] for calendar in calendars] == ["REQUEST", "REQUEST", "REQUEST", "CANCEL", "CANCEL"]
    events = [calendar.walk("VEVENT") for calendar in calendars]
    assert len({found["UID"] for each in events for found in each}) == 1
    assert [{found["SEQUENCE"] for found in each} for each in events] == [{0}, {1}, {2}, {3}, {4}]
    one, whole = events[3][0], events[4][0]
    assert one["RECURRENCE-ID"].dt == datetime(SPRING.year, 3, 22, 11, tzinfo=ZoneInfo("Europe/Berlin"))
    assert "RECURRENCE-ID" not in whole and one["STATUS"] == whole["STATUS"] == "CANCELLED"


def by_mail(comity, office):
    """Over STARTTLS and signed in: each invitee gets a letter whose calendar part is the file that was written."""
    meeting, data = comity.meeting(
        "--subject", "Größe, Länge", "--at", f"{SPRING} 10:00", "--zone", "Europe/Berlin", "--every", "week",
        "--invite", "bob@fabrikam.example", "--invite", "carol@northwind.example", "--mail",
    )
    letters = office.taken()
    assert [letter.to for letter in letters] == [["bob@fabrikam.example"], ["carol@northwind.example"]], letters
    for letter in letters:
        assert letter.is_encrypted and letter.user == USER
        assert (letter.sender, letter.message["Subject"]) == ("meetings@contoso.example", meeting["subject"])
        assert letter.message["Reply-To"] == "alice@contoso.example"
        (part,) = [part for part in letter.message.walk() if part.get_content_type() == "text/calendar"]
        assert part.get_param("method") == "REQUEST" and part.get_param("charset") == "utf-8"
        (file,) = letter.message.iter_attachments()
        assert file.get_filename() == "invitation.ics" and file.get_content_type() == "application/ics"
        assert part.get_payload(decode=True) == file.get_payload(decode=True) == data
        assert event(read(data))["ORGANIZER"].params["SENT-BY"] == "mailto:meetings@contoso.example"
        plain = letter.message.get_body(("plain",)).get_content()
        assert meeting["uri"] in plain and "every week" in plain, plain

    comity.run("meeting", "cancel", meeting["id"], "--mail")
    for letter in office.taken():
        (part,) = [part for part in letter.message.walk() if part.get_content_type() == "text/calendar"]
        assert part.get_param("method") == read(part.get_payload(decode=True))["METHOD"] == "CANCEL"


def wrong_password(comity, office):
    meeting, _ = comity.meeting(
        "--subject", "Untold", "--at", f"{SPRING} 10:00", "--zone", "UTC", "--invite", "bob@fabrikam.example"
    )
    password = comity.folder / "password"
    password.write_text("wrong\n")
    try:
        comity.run("meeting", "invite", meeting["id"], "--mail")
        raise AssertionError("it was sent")
    except RuntimeError as error:
        assert "exit code 3" in str(error) and "535" in str(error), error
    finally:
        password.write_text(PASSWORD + "\n")
    assert office.taken() == []


def act(report, comity, office):
    comity.run("user", "add", "alice@contoso.example", "--generate")
    report.check("by mail", lambda: by_mail(comity, office))
    report.check("a mail server that refuses our password", lambda: wrong_password(comity, office))
    report.check("who, what and where", lambda: properties(comity))
    report.check("invited, updated, moved, cancelled", lambda: life(comity))
    for zone, time in ZONES:
        for at in [f"{day} {time}" for day in week_before_changes(zone)]:
            for series in SERIES:
                name = f"{zone} from {at}: {' '.join(series)}"
                report.check(name, lambda zone=zone, at=at, series=series: expansion(comity, zone, at, series))


report = Report()
with tempfile.TemporaryDirectory(prefix="comity-icalendar-") as folder:
    office = PostOffice(Path(folder))
    try:
        act(report, Comity(sys.argv[1], Path(folder), office), office)
    finally:
        office.close()
print(f"{report.passed} passed, {report.failed} failed")
sys.exit(0 if report.passed and not report.failed else 1)

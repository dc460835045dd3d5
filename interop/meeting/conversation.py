"""Baresips of three organisations in one meeting; one line for each check, and the sum.

Each plays a tone of its own and records what it hears: the two others, and never itself.
"""

import sys
import time

from stage import play
from three_baresips import expect_heard, three

WAIT_SECS = 8
WHOLE_RUN_SECS = 150
# A change takes a moment to be heard: jitter buffers on both sides, and the talkers' turn.
SETTLE_SECS, LISTEN_SECS = 0.7, 1.0


def meet(report, servers, folder):
    people = three(servers.facts, folder)
    try:
        for person in people.values():
            report.check(f"{person.aor} registers", lambda person=person: registers(person))
        check_all(report, servers, Meeting(servers), people)
    finally:
        for person in people.values():
            person.end()


def registers(person):
    person.start()
    person.expect_registered(WAIT_SECS)


class Meeting:
    """The one meeting at Contoso, by its commands."""

    def __init__(self, servers):
        self.servers = servers
        self.id = None

    def find(self):
        running = self.servers.comity("CONTOSO", "meeting", "running")
        if len(running) != 1:
            raise RuntimeError(f"not one meeting: {running}")
        self.id = running[0]["id"]

    def do(self, *words):
        answer = self.servers.comity("CONTOSO", "meeting", words[0], self.id, *words[1:])
        if "error" in answer:
            raise RuntimeError(str(answer))
        return answer["conference"]

    def place(self, who):
        people = self.servers.comity("CONTOSO", "meeting", "running", self.id)["participants"]
        return next((one["place"] for one in people if one["address"] == who), None)


class Listening:
    """What each phone should hear, by the time of its call: looked up in the recordings once they are written."""

    def __init__(self, people):
        self.people = people
        self.calls = {name: [] for name in people}
        self.windows = []

    def established(self, name):
        self.people[name].expect("CALL_ESTABLISHED", WAIT_SECS)
        self.calls[name].append(time.monotonic())

    def listen(self, what, heard_by_name):
        """From now on, for a while."""
        time.sleep(SETTLE_SECS)
        now = time.monotonic()
        for name, others in heard_by_name.items():
            since = now - self.calls[name][-1]
            self.windows.append((f"{what}: {words(name, others)}", name, len(self.calls[name]) - 1, since, others))
        time.sleep(LISTEN_SECS + SETTLE_SECS)

    def check(self, report):
        for what, name, call, since, others in self.windows:
            report.check(what, lambda: self.heard(name, call, since, others))

    def heard(self, name, call, since, others):
        recordings = sorted((self.people[name].home / "recordings").glob("*dec.wav"), key=lambda path: path.name)
        expect_heard(recordings[call], others, since, since + LISTEN_SECS)


def words(name, others):
    heard = " and ".join(sorted(others)) or "nobody"
    return f"{name} hears {heard}, and nobody else"


def check_all(report, servers, meeting, people):
    alice, bob, carol = people["alice"], people["bob"], people["carol"]
    listening = Listening(people)
    all_three = {"alice": {"bob", "carol"}, "bob": {"alice", "carol"}, "carol": {"alice", "bob"}}

    def begins():
        alice.command("dial", "sip:meet@contoso.example")
        listening.established("alice")
        meeting.find()

    def added(name):
        meeting.do("add", people[name].aor)
        listening.established(name)

    def removed():
        meeting.do("remove", carol.aor)
        carol.expect("CALL_CLOSED", WAIT_SECS)

    def knocks():
        carol.command("dial", f"sip:meet-{meeting.id}@contoso.example")

    def locked_out():
        meeting.do("lock")
        knocks()
        closed = carol.expect("CALL_CLOSED", WAIT_SECS)
        expect("403" in str(closed), True, f"she was told {closed}")
        meeting.do("unlock")

    def comes_again():
        knocks()
        listening.established("carol")
        expect(meeting.place(carol.aor), "inside", "where she is")

    def blocked():
        servers.comity("CONTOSO", "partner", "block", "fabrikam.example")
        deadline = time.monotonic() + WAIT_SECS
        while meeting.place(bob.aor):
            if time.monotonic() > deadline:
                raise RuntimeError("bob is in the meeting all the same")
            time.sleep(0.05)
        # Nothing is said to a blocked organisation, not even that: he finds himself alone.
        bob.command("hangup")

    def ends():
        meeting.do("end")
        for person in (alice, carol):
            person.expect("CALL_CLOSED", WAIT_SECS)
        expect(servers.comity("CONTOSO", "meeting", "running"), [], "who is left")

    report.check("alice begins a meeting by calling the factory", begins)
    report.check("bob@fabrikam is called into it", lambda: added("bob"))
    report.check("carol@litware is called into it", lambda: added("carol"))
    listening.listen("three in the meeting", all_three)
    report.check("bob is muted", lambda: meeting.do("mute", bob.aor))
    listening.listen("bob muted", {"alice": {"carol"}, "bob": {"alice", "carol"}, "carol": {"alice"}})
    report.check("bob is heard again", lambda: meeting.do("unmute", bob.aor))
    listening.listen("bob not muted any more", all_three)
    report.check("carol is removed, and her phone hears so", removed)
    listening.listen("carol removed", {"alice": {"bob"}, "bob": {"alice"}})
    report.check("carol is kept out of the locked meeting", locked_out)
    report.check("carol comes in again, as she was invited", comes_again)
    listening.listen("carol back", all_three)
    report.check("bob's organisation is blocked, and he is out", blocked)
    listening.listen("bob's organisation blocked", {"alice": {"carol"}, "carol": {"alice"}})
    report.check("the meeting ends for all", ends)
    listening.check(report)


def expect(found, wanted, what):
    if found != wanted:
        raise RuntimeError(f"{what}: {found}, not {wanted}")


sys.exit(play("meeting", WHOLE_RUN_SECS, meet))

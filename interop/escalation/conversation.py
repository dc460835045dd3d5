"""A call of two organisations becomes a meeting of three; one line for each check, and the sum.

Each plays a tone of its own and records what it hears, so that afterwards it can be told how long it heard nothing of the
other. With --runs N that is measured N times and printed, and nothing else is checked.
"""

import re
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from sound import silences
from stage import Servers, play
from three_baresips import HEARD_DB, PEOPLE, expect_heard, three

WAIT_SECS = 8
WHOLE_RUN_SECS = 120
BEFORE_SECS, AFTER_SECS = 1.5, 2.5


class Escalation:
    """One call, its escalation, and what was heard of it."""

    def __init__(self, servers, folder):
        self.servers = servers
        self.people = three(servers.facts, folder)
        self.meeting = None

    def register(self):
        for person in self.people.values():
            person.start()
        for person in self.people.values():
            person.expect_registered(WAIT_SECS)

    def call(self):
        alice, bob = self.people["alice"], self.people["bob"]
        alice.command("dial", f"sip:{bob.aor}")
        for person in (bob, alice):
            person.expect("CALL_ESTABLISHED", WAIT_SECS)
        time.sleep(BEFORE_SECS)

    def escalate(self):
        invites = re.findall(r"INVITE sip:bob@.*?Call-ID: (\S+)", self.people["alice"].printed(), re.DOTALL)
        answer = self.servers.comity("CONTOSO", "meeting", "escalate", invites[-1], "--add", self.people["carol"].aor)
        if "error" in answer:
            raise RuntimeError(str(answer))
        self.people["carol"].expect("CALL_ESTABLISHED", WAIT_SECS)
        time.sleep(AFTER_SECS)

    def end(self):
        """Who talked before still does, in the call that they made."""
        [running] = self.servers.comity("CONTOSO", "meeting", "running")
        present = sorted(one["address"] for one in running["participants"] if one["place"] == "inside")
        wanted = sorted(person.aor for person in self.people.values())
        self.servers.comity("CONTOSO", "meeting", "end", running["id"])
        for person in self.people.values():
            person.expect("CALL_CLOSED", WAIT_SECS)
        if present != wanted:
            raise RuntimeError(f"in the meeting: {present}")

    def recording(self, name):
        [path] = (self.people[name].home / "recordings").glob("*dec.wav")
        return path

    def heard(self, name):
        """In the last part, when all are there: both others, and not itself."""
        expect_heard(self.recording(name), set(PEOPLE) - {name}, -1.4, -0.4)

    def gap_ms(self, name, other):
        """For how long at a stretch it did not hear the other, from its first sound to its last."""
        return max(silences(self.recording(name), PEOPLE[other][1], HEARD_DB), default=0)

    def stop(self):
        for person in self.people.values():
            person.end()


def converse(report, servers, folder):
    escalation = Escalation(servers, folder)
    try:
        report.check("three phones register", escalation.register)
        report.check("alice@contoso calls bob@fabrikam", escalation.call)
        report.check("carol@litware is added to their call", escalation.escalate)
        report.check("all three are in the meeting, which ends", escalation.end)
        for name in PEOPLE:
            report.check(f"{name} heard the two others, and not itself", lambda name=name: escalation.heard(name))
    finally:
        escalation.stop()


def measure(runs):
    gaps = []
    for number in range(runs):
        with TemporaryDirectory(prefix="comity-escalation-") as folder:
            servers = Servers(sys.argv[1], Path(folder) / "servers", "--workers", "2", "--dns-port", "53")
            escalation = Escalation(servers, Path(folder))
            try:
                escalation.register()
                escalation.call()
                escalation.escalate()
                escalation.end()
                gaps += [escalation.gap_ms("alice", "bob"), escalation.gap_ms("bob", "alice")]
                print(f"run {number + 1}: alice {gaps[-2]} ms, bob {gaps[-1]} ms", flush=True)
            finally:
                escalation.stop()
                servers.end()
    gaps.sort()
    at = lambda share: gaps[min(len(gaps) - 1, int(share * len(gaps)))]  # noqa: E731
    print(f"{len(gaps)} gaps: p50 {at(0.5)} ms, p99 {at(0.99)} ms, longest {gaps[-1]} ms")
    return 0


if sys.argv[2:3] == ["--runs"]:
    sys.exit(measure(int(sys.argv[3])))
sys.exit(play("escalation", WHOLE_RUN_SECS, converse))

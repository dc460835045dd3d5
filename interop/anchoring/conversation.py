"""Calls of phones that could not hear each other without us; one line for each check, and the sum.

Each plays a tone of its own and records what it hears.
"""

import re
import sys
import time
import wave

from sound import part
from stage import play
from three_baresips import expect_heard, phone

WAIT_SECS = 8
WHOLE_RUN_SECS = 150
TALK_SECS = 2.0
PLAIN, PROTECTED = "mediaenc=", "mediaenc=srtp-mand"


class Call:
    """Two phones, one of which calls the other."""

    def __init__(self, servers, folder, caller, callee):
        folder.mkdir()
        self.servers = servers
        self.caller_name, self.callee_name = caller[0], callee[0]
        self.caller = self.phone(folder, *caller)
        self.callee = self.phone(folder, *callee)

    def phone(self, folder, name, codecs, encryption):
        return phone(self.servers.facts, folder, name, codecs=codecs, encryption=encryption)

    def begin(self):
        for person in (self.caller, self.callee):
            person.start()
        for person in (self.caller, self.callee):
            person.expect_registered(WAIT_SECS)
        self.caller.command("dial", f"sip:{self.callee.aor}")
        for person in (self.callee, self.caller):
            person.expect("CALL_ESTABLISHED", WAIT_SECS)
        time.sleep(TALK_SECS)

    def call_id(self):
        return re.findall(r"INVITE sip:.*?Call-ID: (\S+)", self.caller.printed(), re.DOTALL)[-1]

    def heard(self):
        """Each hears the other's tone, and not its own."""
        for name, other in [(self.caller_name, self.callee_name), (self.callee_name, self.caller_name)]:
            person = self.caller if name == self.caller_name else self.callee
            written(person.recording())
            expect_heard(person.recording(), {other}, -1.2, -0.2)

    def end(self):
        self.caller.command("hangup")
        self.callee.expect("CALL_CLOSED", WAIT_SECS)
        self.caller.expect("CALL_CLOSED", WAIT_SECS)

    def stop(self):
        for person in (self.caller, self.callee):
            person.end()


def written(path):
    """Waits until a phone has written its recording: it may do so for a moment after the call."""
    deadline = time.monotonic() + WAIT_SECS
    while True:
        try:
            return part(path, 0.0, None)
        except (OSError, EOFError, wave.Error):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def anchored(servers, organisation, call_id):
    """How the sound of both phones was, as that organisation recorded it."""
    deadline = time.monotonic() + WAIT_SECS
    while True:
        calls = servers.comity(organisation, "calls", "show", call_id)
        legs = [leg for call in calls for leg in call["legs"]]
        if len(legs) == 2:
            return legs
        if time.monotonic() > deadline:
            raise RuntimeError(f"{len(legs)} legs are recorded: {calls}")
        time.sleep(0.1)


def one_call(report, servers, folder, name, caller, callee, organisation):
    call = Call(servers, folder, caller, callee)
    try:
        report.check(f"{name}: the call is set up", call.begin)
        call_id = call.call_id()
        report.check(f"{name}: the call ends", call.end)
        report.check(f"{name}: both are heard", call.heard)
        report.check(f"{name}: both legs are recorded by {organisation}", lambda: anchored(servers, organisation, call_id))
    finally:
        call.stop()


G711, G722, PCMU = "PCMU/8000/1,PCMA/8000/1", "G722/16000/1", "PCMU/8000/1"


def converse(report, servers, folder):
    one_call(report, servers, folder / "keys", "a phone without encryption calls one of another organisation that demands it",
             ("alice", G711, PLAIN), ("bob", G711, PROTECTED), "CONTOSO")
    one_call(report, servers, folder / "plain", "a phone that demands encryption calls one of another organisation without",
             ("alice", G711, PROTECTED), ("bob", G711, PLAIN), "FABRIKAM")
    one_call(report, servers, folder / "codec", "two phones without a common encoding",
             ("carol", G722, PLAIN), ("alice", PCMU, PLAIN), "CONTOSO")


sys.exit(play("anchoring", WHOLE_RUN_SECS, converse))

"""A sipp of contoso has a session of messages with bob of fabrikam, whose linphone knows only single messages, so that his server answers
it for him; a command makes it a conversation of three with carol of litware, and nobody redials.
"""

import re
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "linphone"))
from phone import Linphone
from stage import play

WAIT_SECS = 8
WHOLE_RUN_SECS = 90
ALICE, BOB, CAROL = "alice@contoso.example", "bob@fabrikam.example", "carol@litware.example"
CALL_ID = "a-session-that-grows"


class Sipp:
    """Alice's device: one session, as the scenario plays it; what it notes is read from its log."""

    def __init__(self, servers, folder, scenario):
        user, domain = ALICE.split("@")
        edge = servers.facts["CONTOSO_PLAIN"]
        self.log, self.errors = folder / "sipp.log", folder / "sipp.errors"
        command = [
            "sipp", edge, "-t", "t1", "-i", edge.split(":")[0], "-p", "6001", "-sf", scenario, "-cid_str", CALL_ID, "-m", "1",
            "-key", "user", user, "-key", "domain", domain, "-key", "peer", BOB, "-au", user, "-ap", servers.facts["ALICE_PASSWORD"],
            "-d", "1000", "-nostdin", "-trace_logs", "-log_file", self.log, "-trace_err", "-error_file", self.errors,
            "-recv_timeout", "20000", "-timeout", "40", "-timeout_error",
        ]  # fmt: skip
        with (folder / "sipp.screen").open("w") as screen:
            self.process = subprocess.Popen(list(map(str, command)), stdout=screen, stderr=screen)

    def noted(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def expect(self, words):
        deadline = time.monotonic() + WAIT_SECS
        while words not in self.noted():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"sipp did not note '{words}' but: {self.noted()!r}; {self.told()}")
            time.sleep(0.05)

    def told(self):
        return self.errors.read_text(errors="replace")[-600:] if self.errors.exists() else "no error"

    def ends_well(self):
        if self.process.wait(WAIT_SECS) != 0:
            raise RuntimeError(f"sipp's session failed: {self.told()}")

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def linphone_of(servers, folder, aor, rtp):
    name = aor.split("@")[0].upper()
    facts = servers.facts
    edge = facts["LITWARE_EDGE"] if aor == CAROL else None
    phone = Linphone(
        folder / name, aor=aor, password=facts[name + "_PASSWORD"], ca=facts["CA"], rtp=rtp, friend=ALICE, edge=edge
    )
    phone.start()
    if not phone.registered:
        raise RuntimeError(f"{aor} does not register")
    return phone


def once(phone, words):
    """It has said so, and does so no second time."""
    phone.expect(words, WAIT_SECS)
    time.sleep(0.3)
    count = phone.said().count(words)
    if count != 1:
        raise RuntimeError(f"'{words}' came {count} times")


def converse(report, servers, folder):
    phones = {}
    sipp = None

    def register():
        for aor, rtp in ((BOB, 18078), (CAROL, 19078)):
            phones[aor] = linphone_of(servers, folder, aor, rtp)

    def open_session():
        nonlocal sipp
        sipp = Sipp(servers, folder, sys.argv[2])
        sipp.expect("alice has a session")
        told = str(servers.comity("CONTOSO", "why", CALL_ID))
        if "it is a session of messages, and no device is asked to replace one" not in told:
            raise RuntimeError(f"why does not say how it would grow: {told}")

    def grow():
        servers.comity("CONTOSO", "meeting", "escalate", CALL_ID, "--add", CAROL)
        sipp.expect("alice is moved to sip:meet-")
        phones[CAROL].expect(f"Alice invites you to write with {BOB}", WAIT_SECS)

    def carol_speaks():
        address = re.findall(r"sip:meet-[a-z0-9]+@contoso\.example", phones[CAROL].said())[-1]
        phones[CAROL].command(f"chat {address} Hello from litware")
        sipp.expect(f"alice heard: {CAROL}: Hello from litware")
        once(phones[BOB], f"Message received from sip:{ALICE}: {CAROL}: Hello from litware")

    def bob_speaks():
        phones[BOB].command(f"chat sip:{ALICE} Hello from fabrikam")
        sipp.expect(f"alice heard: {BOB}: Hello from fabrikam")
        once(phones[CAROL], f"{BOB}: Hello from fabrikam")

    def alice_speaks():
        once(phones[CAROL], "Alice: Hello from a session")
        once(phones[BOB], f"Message received from sip:{ALICE}: Hello from a session")

    def end():
        sipp.ends_well()
        heard = re.findall("alice heard: .*", sipp.noted())
        if len(heard) != 2:
            raise RuntimeError(f"alice heard: {heard}")

    try:
        report.check("two linphones register over TLS", register)
        report.check("sipp has a session of messages with bob, whose server answers it", open_session)
        report.check("it becomes a conversation of three by command, and nobody redials", grow)
        report.check("what carol writes sipp and bob get once, with her name", carol_speaks)
        report.check("what bob writes to alice, as before, sipp and carol get once, with his name", bob_speaks)
        report.check("what sipp says in its session bob and carol get once", alice_speaks)
        report.check("sipp ends its session as it began it", end)
    finally:
        for running in [sipp, *phones.values()]:
            if running is not None:
                running.end()


# sipp 3.6 knows MD5 alone, and takes the first challenge for the one to answer.
sys.exit(play("conversation", WHOLE_RUN_SECS, converse, "--digest", "MD5"))

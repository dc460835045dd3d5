"""Two baresips in a conversation across two organisations; one line for each check, and the sum.

phone.py steers one baresip, sound.py makes and measures the tones.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from phone import Baresip
from sound import dominant_hertz, write_tone

WAIT_SECS = 8
WHOLE_RUN_SECS = 110
ALICE_HERTZ, BOB_HERTZ = 440, 880


class Report:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, work):
        begin = time.monotonic()
        try:
            work()
            mark, reason = "ok  ", ""
            self.passed += 1
        except Exception as error:  # whatever went wrong is this check's failure
            mark, reason = "FAIL", f": {error}"
            self.failed += 1
        print(f"{mark} {(time.monotonic() - begin) * 1000:5.0f} ms  {name}{reason}", flush=True)


class Servers:
    """The demo's servers; they end when their standard input is closed."""

    def __init__(self, comity, folder, *arguments):
        folder.mkdir()
        self.log = folder / "demo.log"
        command = [comity, "demo", "--hold-for-tests", str(folder), *arguments]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        facts = folder / "demo.env"
        deadline = time.monotonic() + 20
        while not facts.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.end()
                raise RuntimeError(f"the servers did not start: {self.log.read_text()}")
            time.sleep(0.05)
        self.facts = dict(line.split("=", 1) for line in facts.read_text().splitlines())

    def end(self):
        self.process.stdin.close()
        if self.process.wait(10) != 0:
            raise RuntimeError(f"the servers did not end well: {self.log.read_text()}")


def converse(report, servers, folder):
    facts = servers.facts
    people = {}
    for name, organisation, hertz, port in [
        ("alice", "CONTOSO", ALICE_HERTZ, 15060),
        ("bob", "FABRIKAM", BOB_HERTZ, 15070),
    ]:
        home = folder / name
        home.mkdir()
        write_tone(home / "tone.wav", hertz)
        domain = organisation.lower() + ".example"
        place = facts[organisation + "_TLS"]
        edge = f"{facts[organisation + '_EDGE']}:{place.rsplit(':', 1)[1]}"
        people[name] = Baresip(
            home, aor=f"{name}@{domain}", password=facts[name.upper() + "_PASSWORD"], edge=edge, place=place,
            ca=facts["CA"], dns=facts["DNS"], port=port,
            peer="bob@fabrikam.example" if name == "alice" else "alice@contoso.example",
        )  # fmt: skip
    try:
        check_all(report, people["alice"], people["bob"])
    finally:
        for person in people.values():
            person.end()


def check_all(report, alice, bob):
    for phone in (alice, bob):
        def registers(phone=phone):
            phone.start()
            phone.expect("REGISTER_OK", WAIT_SECS)

        report.check(f"{phone.aor} registers over TLS", registers)

    def call(caller, callee, seconds):
        caller.command("dial", f"sip:{callee.aor}")
        callee.expect("CALL_ESTABLISHED", WAIT_SECS)
        caller.expect("CALL_ESTABLISHED", WAIT_SECS)
        time.sleep(seconds)

    def hang_up(ender, other):
        ender.command("hangup")
        other.expect("CALL_CLOSED", WAIT_SECS)
        ender.expect("CALL_CLOSED", WAIT_SECS)

    def hears(phone, hertz):
        heard = dominant_hertz(phone.recording())
        if abs(heard - hertz) > 5:
            raise RuntimeError(f"expected {hertz} Hz, heard {heard:.0f} Hz")

    def message(sender, recipient):
        text = f"good morning from {sender.aor}"
        sender.command("message", text)
        recipient.expect_message(text, WAIT_SECS)

    report.check("alice@contoso calls bob@fabrikam", lambda: call(alice, bob, 3))
    report.check("alice hangs up, and bob's phone hears of it", lambda: hang_up(alice, bob))
    report.check(f"bob heard alice's {ALICE_HERTZ} Hz", lambda: hears(bob, ALICE_HERTZ))
    report.check(f"alice heard bob's {BOB_HERTZ} Hz", lambda: hears(alice, BOB_HERTZ))
    report.check("bob@fabrikam calls alice@contoso", lambda: call(bob, alice, 0.5))
    report.check("alice hangs up as the callee", lambda: hang_up(alice, bob))
    report.check("alice writes to bob", lambda: message(alice, bob))
    report.check("bob writes to alice", lambda: message(bob, alice))


def main():
    def too_long(*_):
        sys.exit("the run took too long")  # no failure of one check

    signal.signal(signal.SIGALRM, too_long)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    signal.alarm(WHOLE_RUN_SECS)
    report = Report()
    folder = Path(tempfile.mkdtemp(prefix="comity-baresip-"))
    try:
        # With the digest algorithms that are offered unless somebody says otherwise.
        for workers in ["1", "3"]:
            print(f"with {workers} workers an organisation", flush=True)
            stage = folder / workers
            stage.mkdir()
            servers = Servers(sys.argv[1], stage / "servers", "--workers", workers)
            try:
                converse(report, servers, stage)
            finally:
                report.check("the servers end", servers.end)
    finally:
        shutil.rmtree(folder)
    print(f"{report.passed} passed, {report.failed} failed")
    return 0 if report.passed and not report.failed else 1


sys.exit(main())

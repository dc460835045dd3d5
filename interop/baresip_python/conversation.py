"""Two phones made of baresip-python (libre 4.10) in calls across two organisations that offer SHA-256 and nothing else;
and one whose server shows a bad certificate.

phone.py is one phone. stage.py and sound.py in the folder above are for every such run.
"""

import json
import os
import subprocess
import sys
import time

from sound import expect_tone, write_tone
from stage import play

WAIT_SECS = 8
WHOLE_RUN_SECS = 120
ALICE_HERTZ, BOB_HERTZ = 440, 880
# It plays what comes in its own time, with small gaps.
HERTZ_OFF_MAX = 40


class Phone:
    def __init__(self, servers, folder, user, organisation, *, hertz, port):
        self.home = folder / user
        self.home.mkdir(exist_ok=True)
        write_tone(self.home / "tone.wav", hertz)
        facts, domain = servers.facts, organisation.lower() + ".example"
        self.aor = f"{user}@{domain}"
        self.settings = {
            "home": str(self.home), "user": user, "domain": domain, "password": facts[user.upper() + "_PASSWORD"],
            "edge": domain + ":" + facts[organisation + "_TLS"].rsplit(":", 1)[1], "ca": facts["CA"],
            "dns": facts["DNS"], "port": port,
        }  # fmt: skip
        self.process, self.read_from = None, 0

    def start(self):
        """Starts it; answers what it says of its registration."""
        self.read_from = 0
        program = [os.environ["BARESIP_PYTHON"], "-B", f"{os.path.dirname(__file__)}/phone.py"]
        with (self.home / "said").open("w") as said, (self.home / "log").open("w") as log:
            self.process = subprocess.Popen(
                [*program, json.dumps(self.settings)], stdin=subprocess.PIPE, stdout=said, stderr=log, text=True
            )
        return self.expect("re", 15)

    def command(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def expect(self, beginning, seconds):
        """The next line that begins so; nothing else may come first."""
        deadline = time.monotonic() + seconds
        while True:
            lines = (self.home / "said").read_text().splitlines(keepends=True)[self.read_from :]
            if lines and lines[0].endswith("\n"):
                self.read_from += 1
                if not lines[0].startswith(beginning):
                    raise RuntimeError(f"{self.aor} said: {lines[0].strip()}")
                return lines[0].strip()
            if self.process.poll() is not None or time.monotonic() > deadline:
                ended = self.process.poll()
                raise RuntimeError(f"{self.aor} did not say '{beginning}...' (ended: {ended}); its log: {self.logged()[-1500:]}")
            time.sleep(0.02)

    def expect_log(self, words):
        """Its log comes from another thread, perhaps after what it says."""
        deadline = time.monotonic() + WAIT_SECS
        while words not in self.logged():
            if time.monotonic() > deadline:
                raise RuntimeError(f"its log does not say '{words}' but: {self.logged()[-1500:]}")
            time.sleep(0.05)

    def logged(self):
        return (self.home / "log").read_text(errors="replace")

    def end(self):
        if self.process is None or self.process.poll() is not None:
            return
        try:
            self.command("quit")
            self.process.wait(8)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self.process.kill()
            self.process.wait()


def converse(report, servers, folder):
    alice = Phone(servers, folder, "alice", "CONTOSO", hertz=ALICE_HERTZ, port=15060)
    bob = Phone(servers, folder, "bob", "FABRIKAM", hertz=BOB_HERTZ, port=15080)
    try:
        for phone in (alice, bob):
            report.check(f"{phone.aor} registers over TLS, with SHA-256", lambda phone=phone: registers(phone))
        talk(report, alice, bob)
        alice.end()
        strangers(report, servers, alice)
    finally:
        alice.end()
        bob.end()


def registers(phone):
    outcome = phone.start()
    if outcome != "registered":
        raise RuntimeError(outcome)


def talk(report, alice, bob):
    def call(caller, callee, seconds):
        caller.command(f"dial sip:{callee.aor}")
        callee.expect("established", WAIT_SECS)
        caller.expect("established", WAIT_SECS)
        time.sleep(seconds)

    def hang_up(ender, other):
        ender.command("hangup")
        other.expect("closed", WAIT_SECS)
        ender.expect("closed", WAIT_SECS)

    report.check("alice@contoso calls bob@fabrikam", lambda: call(alice, bob, 3))
    report.check("alice hangs up, and bob's phone hears of it", lambda: hang_up(alice, bob))
    report.check(f"bob heard alice's {ALICE_HERTZ} Hz", lambda: expect_tone(bob.home / "heard.wav", ALICE_HERTZ, HERTZ_OFF_MAX))
    report.check(f"alice heard bob's {BOB_HERTZ} Hz", lambda: expect_tone(alice.home / "heard.wav", BOB_HERTZ, HERTZ_OFF_MAX))
    report.check("bob@fabrikam calls alice@contoso", lambda: call(bob, alice, 0.5))
    report.check("alice hangs up as the callee", lambda: hang_up(alice, bob))


def strangers(report, servers, alice):
    """Each time another start of alice's phone, which looks at its server's certificate anew."""

    def is_shown(certificate, refused_for):
        servers.show_certificate("CONTOSO", certificate)
        try:
            outcome = alice.start()
            if outcome.startswith("refused") != (refused_for is not None):
                raise RuntimeError(outcome)
            if refused_for:
                alice.expect_log(refused_for)
        finally:
            alice.end()

    report.check("alice's phone refuses a server of another name",
                 lambda: is_shown("trusted/mallory", "Hostname mismatch"))  # fmt: skip
    report.check("alice's phone refuses a server of an unknown authority",
                 lambda: is_shown("unknown/contoso", "unable to get local issuer certificate"))  # fmt: skip
    report.check("alice's phone takes the server's own certificate", lambda: is_shown("trusted/contoso", None))


# Its media goes where its signalling comes from: that must not be loopback.
sys.exit(play("baresip-python", WHOLE_RUN_SECS, converse, "--digest", "SHA-256", "--address", "10.99.0.1"))

"""Phones made of pjsua2 (PJSIP) in two organisations; one line for each check, and the sum.

phone.py is one phone. stage.py and sound.py in the folder above are for every such run.
"""

import json
import os
import subprocess
import sys
import time
import uuid

from sound import expect_tone, write_tone
from stage import play

WAIT_SECS = 8
WHOLE_RUN_SECS = 240
ALICE, DAVE, BOB = "alice@contoso.example", "dave@contoso.example", "bob@fabrikam.example"
HERTZ = {ALICE: 440, DAVE: 660, BOB: 880}
# It plays what comes in its own time, with small gaps.
HERTZ_OFF_MAX = 40


class Phone:
    def __init__(self, servers, folder, aor, transport, strict=False, password=None):
        """`strict`: it demands SRTP, PRACK and session timers."""
        user, organisation = aor.split("@")[0], aor.split("@")[1].split(".")[0].upper()
        facts, instance = servers.facts, str(uuid.uuid4())
        edge = facts[f"{organisation}_PLAIN"]
        if transport == "tls":
            edge = f"{facts[f'{organisation}_EDGE']}:{facts[f'{organisation}_TLS'].rsplit(':', 1)[1]}"
        self.home, self.aor = folder / instance, aor
        self.home.mkdir()
        write_tone(self.home / "tone.wav", HERTZ[aor])
        self.settings = {
            "home": str(self.home), "aor": aor, "password": password or facts[f"{user.upper()}_PASSWORD"], "edge": edge,
            "transport": transport, "ca": facts["CA"], "dns": facts["DNS"].split(":")[0], "instance": instance, "strict": strict,
        }  # fmt: skip
        self.process, self.read_from, self.calls = None, 0, 0

    def start(self):
        """Starts it; answers what it says of its registration."""
        program = [os.environ["PJSUA_PYTHON"], "-B", f"{os.path.dirname(__file__)}/phone.py"]
        with (self.home / "said").open("w") as said, (self.home / "errors").open("w") as errors:
            self.process = subprocess.Popen(
                [*program, json.dumps(self.settings)], stdin=subprocess.PIPE, stdout=said, stderr=errors, text=True
            )
        return self.expect("re", 15)

    def tell(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def expect(self, beginning, seconds=WAIT_SECS):
        """The first line that begins so since the last that was expected."""
        deadline = time.monotonic() + seconds
        while True:
            # What is still being said has no end yet.
            whole, _, _ = (self.home / "said").read_text().rpartition("\n")
            lines = whole.splitlines()[self.read_from :]
            for number, line in enumerate(lines):
                if line.startswith(beginning):
                    self.read_from += number + 1
                    return line
            if self.process.poll() is not None or time.monotonic() > deadline:
                errors = (self.home / "errors").read_text()[-500:]
                raise RuntimeError(f"{self.aor} did not say '{beginning}' but {lines[-6:]} {errors}")
            time.sleep(0.02)

    def expect_in_any_order(self, *beginnings):
        start, last = self.read_from, 0
        for beginning in beginnings:
            self.read_from = start
            self.expect(beginning)
            last = max(last, self.read_from)
        self.read_from = last

    def dial(self, other, answer=200):
        """The numbers that the call has at both."""
        other.tell("answer-with", answer)
        other.expect("ready")
        self.tell("call", f"sip:{other.aor}")
        number = int(self.expect("calls").split()[1])
        return number, other.rings()

    def rings(self):
        return int(self.expect("rings").split()[1])

    def end(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.stdin.close()
        try:
            self.process.wait(8)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def converse(report, servers, folder):
    for transport in ("udp", "tcp", "tls"):
        listen(report, servers, folder, transport)
    alice, dave, bob, desk = phones = [
        Phone(servers, folder, ALICE, "udp"), Phone(servers, folder, DAVE, "tcp"), Phone(servers, folder, BOB, "tls"),
        Phone(servers, folder, BOB, "tls"),
    ]  # fmt: skip
    try:
        for phone in (alice, dave, bob):
            report.check(f"{phone.aor} registers", lambda phone=phone: registers(phone))
        write(report, alice, bob)
        hold(report, alice, bob)
        transfer(report, alice, dave, bob)
        report.check("a second phone of bob's registers", lambda: registers(desk))
        fork(report, alice, bob, desk)
        report.check("alice unregisters, and bob sees her go", lambda: leave(alice, bob))
    finally:
        for phone in phones:
            phone.end()
    strangers(report, servers, folder)


def registers(phone):
    outcome = phone.start()
    if outcome != "registered 200":
        raise RuntimeError(outcome)


def listen(report, servers, folder, transport):
    """Of the two phones one is strict, and offers SRTP alone to one that calls it optional."""
    strict = Phone(servers, folder, ALICE, transport, strict=True)
    plain = Phone(servers, folder, BOB, transport)

    def talk():
        for phone in (strict, plain):
            registers(phone)
        number, other = strict.dial(plain, 183)
        strict.expect(f"call {number} early")
        plain.tell("answer", other, 200)
        for phone, which in ((strict, number), (plain, other)):
            phone.expect(f"call {which} confirmed")
        time.sleep(2)
        strict.tell("hangup", number)
        plain.expect(f"call {other} disconnected")

    def heard():
        expect_tone(plain.home / "heard.wav", HERTZ[ALICE], HERTZ_OFF_MAX)
        expect_tone(strict.home / "heard.wav", HERTZ[BOB], HERTZ_OFF_MAX)
        if b"\nPRACK " not in (plain.home / "log").read_bytes():
            raise RuntimeError("bob's phone was sent no PRACK")

    try:
        report.check(f"{transport}: alice, who demands SRTP, PRACK and timers, calls bob, with early media", talk)
    finally:
        # A recording is complete when its phone has ended.
        for phone in (strict, plain):
            phone.end()
    report.check(f"{transport}: they heard each other", heard)


def write(report, alice, bob):
    def message(sender, recipient):
        text = f"good morning at {time.monotonic()}"
        sender.tell("message", f"sip:{recipient.aor}", text)
        recipient.expect(f"message sip:{sender.aor} {text}")
        if sender.expect("sent") != "sent 200":
            raise RuntimeError("it was not told so")

    def watch():
        bob.tell("watch", f"sip:{ALICE}")
        bob.expect(f"sees sip:{ALICE} online")
        alice.tell("note", "Away")
        bob.expect(f"sees sip:{ALICE} online Away")

    report.check("alice writes to bob", lambda: message(alice, bob))
    report.check("bob writes to alice", lambda: message(bob, alice))
    report.check("bob sees alice, and what she publishes", watch)


def hold(report, alice, bob):
    number = other = None

    def call():
        nonlocal number, other
        number, other = alice.dial(bob)
        alice.expect(f"sound {number} active")
        bob.expect(f"sound {other} active")

    def holds(phone, which, peer, peers):
        for verb, here, there in (("hold", "holds", "held"), ("resume", "active", "active")):
            phone.tell(verb, which)
            phone.expect(f"sound {which} {here}")
            peer.expect(f"sound {peers} {there}")

    def press():
        for way in ("RTP", "INFO"):
            alice.tell("press", number, 5, way)
            bob.expect(f"digit {other} 5")

    def hang_up():
        bob.tell("hangup", other)
        alice.expect(f"call {number} disconnected")

    def refused():
        mine, _ = alice.dial(bob, 486)
        alice.expect(f"call {mine} disconnected 486")

    def given_up():
        mine, theirs = alice.dial(bob, 180)
        alice.expect(f"call {mine} early")
        alice.tell("hangup", mine)
        bob.expect(f"call {theirs} disconnected")
        alice.expect(f"call {mine} disconnected 487")

    report.check("alice calls bob", call)
    report.check("alice holds and resumes the call", lambda: holds(alice, number, bob, other))
    report.check("bob holds and resumes the call", lambda: holds(bob, other, alice, number))
    report.check("bob hears a key that alice presses, by RTP and by INFO", press)
    report.check("bob hangs up", hang_up)
    report.check("bob is busy", refused)
    report.check("alice gives up before bob answers", given_up)


def transfer(report, alice, dave, bob):
    def blindly():
        number, other = alice.dial(bob)
        alice.expect(f"sound {number} active")
        alice.tell("transfer", number, f"sip:{DAVE}")
        bob.expect(f"transfer {other} sip:{DAVE}")
        new = dave.rings()
        dave.expect(f"call {new} confirmed")
        alice.expect(f"transferred {number} 200")
        bob.tell("hangup", other + 1)
        dave.expect(f"call {new} disconnected")
        alice.tell("hangup", number)

    def after_asking(joiner, joined, asked):
        """The joiner speaks with both, and then they with each other."""
        first, joined_number = joiner.dial(joined)
        joiner.expect(f"sound {first} active")
        joiner.tell("hold", first)
        joiner.expect(f"sound {first} holds")
        second, asked_number = joiner.dial(asked)
        joiner.expect(f"sound {second} active")
        joiner.tell("join", first, second)
        new = int(asked.expect(f"replaced {asked_number}").split()[2])
        asked.expect(f"call {new} confirmed")
        joiner.expect_in_any_order(f"call {second} disconnected", f"transferred {first} 200")
        joiner.tell("hangup", first)
        asked.tell("hangup", new)
        joined.expect(f"call {joined_number + 1} disconnected")

    report.check("alice transfers bob to dave (REFER)", blindly)
    report.check("alice joins bob with dave (REFER with Replaces)", lambda: after_asking(alice, bob, dave))
    report.check("bob joins alice with dave, both of contoso", lambda: after_asking(bob, alice, dave))
    report.check("dave joins alice with bob", lambda: after_asking(dave, alice, bob))


def fork(report, alice, bob, desk):
    def ring():
        desk.tell("answer-with", 180)
        desk.expect("ready")
        number, at_bob = alice.dial(bob, 180)
        at_desk = desk.rings()
        desk.tell("answer", at_desk, 200)
        alice.expect(f"call {number} confirmed")
        bob.expect(f"call {at_bob} disconnected")
        alice.tell("hangup", number)
        desk.expect(f"call {at_desk} disconnected")

    def message():
        alice.tell("message", f"sip:{BOB}", "to both")
        for phone in (bob, desk):
            phone.expect(f"message sip:{ALICE} to both")

    report.check("both ring; one answers, and the other is called off", ring)
    report.check("both get a message", message)


def leave(alice, bob):
    alice.tell("unregister")
    alice.expect("unregistered 200")
    bob.expect(f"sees sip:{ALICE} offline")


def strangers(report, servers, folder):
    def is_refused(expected, password=None):
        phone = Phone(servers, folder, ALICE, "tls", password=password)
        try:
            outcome = phone.start()
            if outcome != expected:
                raise RuntimeError(outcome)
        finally:
            phone.end()

    def is_shown_another():
        servers.show_certificate("CONTOSO", "trusted/mallory")
        is_refused("refused 503")

    report.check("a wrong password is refused", lambda: is_refused("refused 401", "wrong"))
    report.check("alice's phone refuses a server of another name", is_shown_another)


# Its media goes where its signalling comes from: that must not be loopback.
sys.exit(play("pjsua", WHOLE_RUN_SECS, converse, "--address", "10.99.0.1"))

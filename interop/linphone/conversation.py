"""Two linphones in a conversation across two organisations, three in a conversation and a meeting of three, and one that is shown, or
shows, a bad certificate.

phone.py steers one linphone; stage.py and sound.py in the folder above are for every such run.
"""

import re
import sys
import time

from phone import Linphone
from sound import expect_tone, loudness, write_tone
from stage import play

WAIT_SECS = 8
WHOLE_RUN_SECS = 220
# Of full scale: a tone that is there, and what the codec leaves of one that is not.
HEARD_DB, SILENT_DB = -30, -45
ALICE_HERTZ, BOB_HERTZ, CAROL_HERTZ = 440, 880, 660
ALICE, BOB, CAROL = "alice@contoso.example", "bob@fabrikam.example", "carol@litware.example"


def phone_of(servers, folder, aor, rtp, hertz, certificate=None):
    name = aor.split("@")[0]
    facts = servers.facts
    shown = f"{facts['CERTIFICATES']}/{certificate}" if certificate else None
    phone = Linphone(
        folder / name, aor=aor, password=facts[name.upper() + "_PASSWORD"], ca=facts["CA"], rtp=rtp, certificate=shown,
        friend=BOB if aor == ALICE else ALICE,
        # Of alice her server tells what it knows itself.
        publishes=aor == BOB,
        edge=facts["LITWARE_EDGE"] if aor == CAROL else None,
    )  # fmt: skip
    write_tone(phone.home / "tone.wav", hertz)
    return phone


def converse(report, servers, folder):
    alice = phone_of(servers, folder, ALICE, 17078, ALICE_HERTZ)
    bob = phone_of(servers, folder, BOB, 18078, BOB_HERTZ)
    try:
        report.check(f"{ALICE} registers over TLS", lambda: registers(alice))
        report.check("alice sees that bob is not there", lambda: alice.expect_friend("Offline", WAIT_SECS))
        report.check(f"{BOB} registers over TLS", lambda: registers(bob))
        report.check("each sees the other there", lambda: both_see(alice, bob, "Online"))
        talk(report, alice, bob)
        write_in_threes(report, servers, folder, alice, bob)
        withdraw(report, alice, bob)
        strangers(report, servers, folder, bob)
    finally:
        alice.end()
        bob.end()


def registers(phone):
    phone.start()
    if not phone.registered:
        raise RuntimeError("the registration failed")


def both_see(alice, bob, state):
    for phone in (alice, bob):
        phone.expect_friend(state, WAIT_SECS)


def talk(report, alice, bob):
    def call(caller, callee, seconds):
        caller.command(f"call sip:{callee.aor}")
        callee.expect("Media streams established", WAIT_SECS)
        caller.expect("Media streams established", WAIT_SECS)
        time.sleep(seconds)

    def hang_up(ender, other):
        ender.command("terminate")
        other.expect("ended (No error)", WAIT_SECS)
        ender.expect("ended (No error)", WAIT_SECS)

    report.check("alice@contoso calls bob@fabrikam", lambda: call(alice, bob, 3))
    report.check("each sees the other on the phone", lambda: both_see(alice, bob, "On the phone"))
    report.check("alice hangs up, and bob's phone hears of it", lambda: hang_up(alice, bob))
    report.check("each sees the other free again", lambda: both_see(alice, bob, "Online"))
    report.check(f"bob heard alice's {ALICE_HERTZ} Hz", lambda: expect_tone(bob.heard, ALICE_HERTZ))
    report.check(f"alice heard bob's {BOB_HERTZ} Hz", lambda: expect_tone(alice.heard, BOB_HERTZ))
    report.check("bob@fabrikam calls alice@contoso", lambda: call(bob, alice, 0.5))
    report.check("each sees the other on the phone again", lambda: both_see(alice, bob, "On the phone"))
    report.check("alice hangs up as the callee", lambda: hang_up(alice, bob))
    report.check("each sees the other free once more", lambda: both_see(alice, bob, "Online"))
    report.check("alice writes to bob", lambda: message(alice, bob))
    report.check("bob writes to alice", lambda: message(bob, alice))


def message(sender, recipient):
    text = f"good morning from {sender.aor} at {time.monotonic()}"
    sender.command(f"chat sip:{recipient.aor} {text}")
    recipient.expect(f"Message received from sip:{sender.aor}: {text}", WAIT_SECS)


def write_in_threes(report, servers, folder, alice, bob):
    """Three phones that know only messages, in one conversation that one of them begins."""
    carol = phone_of(servers, folder, CAROL, 19078, CAROL_HERTZ)
    everybody = (alice, bob, carol)
    address = None

    def begin():
        nonlocal address
        alice.command("chat sip:meet@contoso.example hello")
        alice.expect("This is a conversation of many", WAIT_SECS)
        address = re.findall(r"sip:meet-[a-z0-9]+@contoso\.example", alice.said())[-1]

    def add(phone):
        alice.command(f"chat {address} /add {phone.aor}")
        phone.expect("alice@contoso.example invites you to write", WAIT_SECS)
        alice.expect(f"{phone.aor} is invited.", WAIT_SECS)

    def say(sender):
        text = f"to all of you at {time.monotonic()}"
        sender.command(f"chat {address} {text}")
        others = [phone for phone in everybody if phone is not sender]
        for other in others:
            other.expect(f"{sender.aor}: {text}", WAIT_SECS)
        time.sleep(0.3)
        counts = [phone.said().count(f"{sender.aor}: {text}") for phone in others]
        if counts != [1, 1]:
            raise RuntimeError(f"it came so often: {counts}")

    def leave(phone):
        phone.command(f"chat {address} /leave")
        phone.expect("You have left the conversation.", WAIT_SECS)

    try:
        report.check(f"{CAROL} registers over TLS", lambda: registers(carol))
        agree_to_hear(report, servers, alice, carol)
        report.check("alice begins a conversation of many by a message", begin)
        for phone in (bob, carol):
            report.check(f"alice adds {phone.aor}", lambda phone=phone: add(phone))
        for phone in everybody:
            name = f"what {phone.aor} writes the two others get once, with the name"
            report.check(name, lambda phone=phone: say(phone))
        for phone in everybody:
            report.check(f"{phone.aor} leaves it", lambda phone=phone: leave(phone))
        meet_in_threes(report, servers, alice, bob, carol)
    finally:
        carol.end()


def agree_to_hear(report, servers, alice, carol):
    """Carol's domain has no entry with alice's server, which asks alice before she hears from her."""
    asking = None

    def write(text):
        carol.command(f"chat sip:{ALICE} {text}")

    def hears(text):
        alice.expect(f"Message received from sip:{CAROL}: {text}", WAIT_SECS)

    def is_asked():
        nonlocal asking
        servers.comity("CONTOSO", "policy", "set", "organisation", "--first-contact", "ask")
        write("may I")
        alice.expect(f": {CAROL}, with whom you have not been in touch, has written to you.", WAIT_SECS)
        asking = re.findall(r"sip:consent-[a-z0-9]+@contoso\.example", alice.said())[-1]

    def answers(text, told):
        alice.command(f"chat {asking} {text}")
        alice.expect(f"Message received from {asking}: {told}", WAIT_SECS)

    def agrees():
        answers("who?", "Please answer with one word")
        answers("Yes.", "Yes:")
        hears("may I")
        write("I am Carol")
        hears("I am Carol")

    def is_blocked():
        answers("block", "Block:")
        write("not to be heard")
        time.sleep(0.5)
        answers("yes", "Yes:")
        write("here again")
        hears("here again")
        if f"{CAROL}: not to be heard" in alice.said():
            raise RuntimeError("she heard what was said while it was blocked")

    def ends():
        servers.comity("CONTOSO", "policy", "set", "organisation", "--first-contact", "deliver")

    report.check("alice is asked whether she wants to hear from carol, whom she does not know", is_asked)
    report.check("she says yes, and gets what was held and what comes", agrees)
    report.check("she blocks carol's domain, and takes it back for carol", is_blocked)
    report.check("nobody is asked any more", ends)


def meet_in_threes(report, servers, alice, bob, carol):
    """In a meeting that alice begins; her phone takes the focus for one, and follows its roster."""
    hertz = {alice: ALICE_HERTZ, bob: BOB_HERTZ, carol: CAROL_HERTZ}
    meeting = None

    def begin():
        nonlocal meeting
        alice.command("call sip:meet@contoso.example")
        alice.expect("Media streams established", WAIT_SECS)
        [running] = servers.comity("CONTOSO", "meeting", "running")
        meeting = running["id"]

    def add(phone):
        servers.comity("CONTOSO", "meeting", "add", meeting, phone.aor)
        phone.expect("Media streams established", WAIT_SECS)

    def follows():
        for words in ("from state CreationPending to Created", "application/conference-info+xml"):
            if not alice.logged(words):
                raise RuntimeError(f"its log does not say: {words}")

    def end():
        time.sleep(3.5)
        servers.comity("CONTOSO", "meeting", "end", meeting)
        for phone in hertz:
            phone.expect("ended (No error)", WAIT_SECS)

    def hears(phone):
        for other, tone in hertz.items():
            level = loudness(phone.heard, tone, -2.5, -0.5)
            if not (level < SILENT_DB if other is phone else level > HEARD_DB):
                raise RuntimeError(f"{other.aor}'s {tone} Hz is there at {level:.0f} dB of full scale")

    report.check("alice begins a meeting by calling the factory", begin)
    for phone in (bob, carol):
        report.check(f"{phone.aor} is called into it", lambda phone=phone: add(phone))
    report.check("alice's phone takes it for a conference, and follows its roster", follows)
    report.check("the meeting is ended", end)
    for phone in hertz:
        report.check(f"{phone.aor} heard the two others, and not itself", lambda phone=phone: hears(phone))


def withdraw(report, alice, bob):
    def ends(phone, watcher):
        phone.end()
        watcher.expect_friend("Offline", WAIT_SECS)

    def returns(phone, watcher):
        registers(phone)
        both_see(phone, watcher, "Online")

    report.check("alice sees bob's phone go", lambda: ends(bob, alice))
    report.check("alice sees bob's phone come back", lambda: returns(bob, alice))
    report.check("bob sees alice's phone go", lambda: ends(alice, bob))


def strangers(report, servers, folder, bob):
    """Each time another start of alice's phone, which looks at its server's certificate anew."""

    def shows(certificate):
        """Her phone shows it: that of a partner, from an authority that nobody trusts."""
        phone = phone_of(servers, folder, ALICE, 17078, ALICE_HERTZ, certificate)
        try:
            registers(phone)
            if "Password for" in phone.said():
                raise RuntimeError("it did not show its certificate")
            message(phone, bob)
            message(bob, phone)
            seen = servers.comity("CONTOSO", "partner", "show", "fabrikam.example")
            if "Somebody else" in str(seen):
                raise RuntimeError(f"the phone passes for a partner: {seen}")
        finally:
            phone.end()

    def is_shown(certificate, refused_for):
        """The server shows it."""
        servers.show_certificate("CONTOSO", certificate)
        phone = phone_of(servers, folder, ALICE, 17078, ALICE_HERTZ)
        try:
            phone.start()
            if phone.registered != (refused_for is None):
                raise RuntimeError(f"registered: {phone.registered}")
            if refused_for and not phone.logged(refused_for):
                raise RuntimeError(f"its log does not say: {refused_for}")
        finally:
            phone.end()

    report.check("a partner's certificate that nobody vouches for makes no partner of alice's phone",
                 lambda: shows("unknown/fabrikam"))  # fmt: skip
    report.check("alice's phone refuses a server of another name", lambda: is_shown("trusted/mallory", "CN-mismatch"))
    report.check("alice's phone refuses a server of an unknown authority", lambda: is_shown("unknown/contoso", "not-trusted"))
    report.check("alice's phone takes the server's own certificate", lambda: is_shown("trusted/contoso", None))


sys.exit(play("linphone", WHOLE_RUN_SECS, converse))

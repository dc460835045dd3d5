"""Two baresips in a conversation across two organisations, each watching the other; one line for each check, and the sum.

baresip_phone.py steers one baresip; it, stage.py and sound.py in the folder above are for every such run.
"""

import sys
import time

from baresip_phone import Baresip
from sound import expect_tone, write_tone
from stage import play

WAIT_SECS = 8
WHOLE_RUN_SECS = 110
ALICE_HERTZ, BOB_HERTZ = 440, 880


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
    report.check(f"{alice.aor} registers over TLS", lambda: registers(alice))
    report.check("alice sees that bob is not there", lambda: alice.expect_contact("Offline", WAIT_SECS))
    report.check(f"{bob.aor} registers over TLS", lambda: registers(bob))
    report.check("each sees the other there", lambda: both_see(alice, bob, "Online"))
    talk(report, alice, bob)
    withdraw(report, alice, bob)


def registers(phone):
    phone.start()
    phone.expect_registered(WAIT_SECS)


def both_see(alice, bob, state):
    for phone in (alice, bob):
        phone.expect_contact(state, WAIT_SECS)


def talk(report, alice, bob):
    def call(caller, callee, seconds):
        caller.command("dial", f"sip:{callee.aor}")
        callee.expect("CALL_ESTABLISHED", WAIT_SECS)
        caller.expect("CALL_ESTABLISHED", WAIT_SECS)
        time.sleep(seconds)

    def hang_up(ender, other):
        ender.command("hangup")
        other.expect("CALL_CLOSED", WAIT_SECS)
        ender.expect("CALL_CLOSED", WAIT_SECS)

    def message(sender, recipient):
        text = f"good morning from {sender.aor}"
        sender.command("message", text)
        recipient.expect_message(text, WAIT_SECS)

    report.check("alice@contoso calls bob@fabrikam", lambda: call(alice, bob, 3))
    report.check("each sees the other on the phone", lambda: both_see(alice, bob, "Busy"))
    report.check("alice hangs up, and bob's phone hears of it", lambda: hang_up(alice, bob))
    report.check("each sees the other free again", lambda: both_see(alice, bob, "Online"))
    report.check(f"bob heard alice's {ALICE_HERTZ} Hz", lambda: expect_tone(bob.recording(), ALICE_HERTZ))
    report.check(f"alice heard bob's {BOB_HERTZ} Hz", lambda: expect_tone(alice.recording(), BOB_HERTZ))
    report.check("bob@fabrikam calls alice@contoso", lambda: call(bob, alice, 0.5))
    report.check("each sees the other on the phone again", lambda: both_see(alice, bob, "Busy"))
    report.check("alice hangs up as the callee", lambda: hang_up(alice, bob))
    report.check("each sees the other free once more", lambda: both_see(alice, bob, "Online"))
    report.check("alice writes to bob", lambda: message(alice, bob))
    report.check("bob writes to alice", lambda: message(bob, alice))


def withdraw(report, alice, bob):
    """Each in a way that the other sees: by what his phone publishes, and by its end."""

    def says(phone, word, watcher, state):
        phone.command(f"presence_{word}")
        watcher.expect_contact(state, WAIT_SECS)

    def ends(phone, watcher):
        phone.end()
        watcher.expect_contact("Offline", WAIT_SECS)

    def dies(phone, watcher):
        phone.process.kill()
        watcher.expect_contact("Offline", WAIT_SECS)

    def returns(phone, watcher):
        registers(phone)
        both_see(phone, watcher, "Online")

    for phone, watcher in ((alice, bob), (bob, alice)):
        names = f"{watcher.aor} sees {phone.aor}"
        report.check(f"{names} say that he is away", lambda: says(phone, "offline", watcher, "Offline"))
        report.check(f"{names} say that he is there", lambda: says(phone, "online", watcher, "Online"))
    report.check("alice sees bob's phone go", lambda: ends(bob, alice))
    report.check("alice sees bob's phone come back", lambda: returns(bob, alice))
    report.check("bob sees alice's phone go, which says nothing any more", lambda: dies(alice, bob))


# With the digest algorithms that are offered unless somebody says otherwise.
sys.exit(play("baresip", WHOLE_RUN_SECS, converse))

"""What baresips with a tone of their own do together: sign in, write, talk by two and in a meeting."""

import time

from sound import expect_tone, loudness, write_tone

WAIT_SECS = 8
# Each tone is played at -11 dB; of one that nobody plays there is what encoding, and packets that come late, make of the others.
HEARD_DB = -22


def homes(folder, hertz):
    """A folder for each phone, with its tone in it: (number, name, folder)."""
    for number, (name, tone) in enumerate(hertz.items()):
        home = folder / name
        home.mkdir(parents=True)
        write_tone(home / "tone.wav", tone)
        yield number, name, home


def registers(phone):
    phone.start()
    phone.expect_registered(WAIT_SECS)


def message(sender, recipient):
    text = f"good morning from {sender.aor}"
    sender.command("message", text)
    recipient.expect_message(text, WAIT_SECS)


def talk(report, hertz, ends, is_heard, between=lambda: None):
    """One calls the other, and each hears the other's tone, or hears nothing."""
    caller, callee = ends
    names = [phone.aor.split("@")[0] for phone in ends]

    def call():
        for phone in ends:
            for path in (phone.home / "recordings").glob("*"):
                path.unlink()
        caller.command("dial", f"sip:{callee.aor}")
        callee.expect("CALL_ESTABLISHED", WAIT_SECS)
        caller.expect("CALL_ESTABLISHED", WAIT_SECS)
        time.sleep(3)

    def hang_up():
        caller.command("hangup")
        callee.expect("CALL_CLOSED", WAIT_SECS)
        caller.expect("CALL_CLOSED", WAIT_SECS)

    report.check(f"{names[0]} calls {names[1]}", call)
    between()
    report.check(f"{names[0]} hangs up", hang_up)
    for hearer, other in [(callee, names[0]), (caller, names[1])]:
        name = hearer.aor.split("@")[0]
        if is_heard:
            report.check(f"{name} heard {other}", lambda h=hearer, o=other: expect_tone(h.recording(), hertz[o]))
        else:
            report.check(f"{name} did not hear {other}", lambda h=hearer, o=other: hears_nothing(h, hertz[o]))


def meet(report, people, hertz, comity, between=lambda: None):
    """The first begins a meeting into which the others come: everybody hears the others, and not himself. `comity` runs a command
    of the server that has it."""
    (name, first), *others = people.items()

    def begins():
        for phone in people.values():
            for path in (phone.home / "recordings").glob("*"):
                path.unlink()
        first.command("dial", "sip:meet@wingtip.example")
        first.expect("CALL_ESTABLISHED", WAIT_SECS)

    def comes(phone):
        running = comity("meeting", "running")
        phone.command("dial", f"sip:meet-{running[0]['id']}@wingtip.example")
        phone.expect("CALL_ESTABLISHED", WAIT_SECS)

    def ends():
        time.sleep(3)
        for phone in people.values():
            phone.command("hangup")
            phone.expect("CALL_CLOSED", WAIT_SECS)

    report.check(f"{name} begins a meeting", begins)
    for _, phone in others:
        report.check(f"{phone.aor} comes into it", lambda phone=phone: comes(phone))
    between()
    report.check("they hang up", ends)
    for name, phone in people.items():
        report.check(f"{name} heard the others", lambda n=name, p=phone: hears_others(p, n, hertz))


def last_recording(phone):
    """A phone that is offered other sound within the call may begin another one."""
    return max((phone.home / "recordings").glob("*dec.wav"), key=lambda path: path.stat().st_mtime)


def hears_others(phone, name, hertz):
    for other, tone in hertz.items():
        level = loudness(last_recording(phone), tone, -2.5, -0.5)
        if (level > HEARD_DB) == (other == name):
            raise RuntimeError(f"{other}'s {tone} Hz is there at {level:.0f} dB of full scale")


def hears_nothing(phone, hertz):
    try:
        expect_tone(phone.recording(), hertz)
    except (RuntimeError, ValueError):
        return
    raise RuntimeError(f"{phone.aor} heard {hertz} Hz")

"""Willa, Wanda and Lena are outside, Ingrid is inside: they sign in, write and talk; Lena with a linphone that knows the domain alone. One line for each check, and the sum.

`always`: sound goes by the home, and everybody hears everybody. `never`: phones send to each other, so that those outside hear
each other and nobody hears Ingrid, which shows that there is no other way between the two networks. `edges`: sound goes by the
edge, the home is not there for anybody outside, and everybody hears everybody, in calls and in a meeting. `lost-call` and
`lost-meeting`: the edge by which sound goes is killed, and everybody hears everybody by another one.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from baresip_phone import Baresip, in_network
from phone import Linphone
from sound import expect_tone, loudness, write_tone
from stage import Report
from talking import HEARD_DB, WAIT_SECS, homes, last_recording, meet, message, registers, talk

FACTS = os.environ
LENA_HERTZ = 550
HERTZ = {"willa": 440, "wanda": 660, "ingrid": 880}


def phones(folder):
    people = {}
    for number, name, home in homes(folder, HERTZ):
        is_outside = name != "ingrid"
        server = "sip.wingtip.example" if is_outside else "home.corp.wingtip.example"
        people[name] = Baresip(
            home, aor=f"{name}@wingtip.example", password=FACTS[f"{name.upper()}_PASSWORD"], edge=f"{server}:5061",
            place=f"{FACTS['EDGE_OUTER' if is_outside else 'HOME_INNER']}:5061",
            ca=Path(FACTS["WORK"]) / ("public.pem" if is_outside else "corp.pem"),
            dns=f"{FACTS['EDGE_OUTER' if is_outside else 'EDGE_INNER']}:53", port=15060 + 10 * number,
            peer=f"{'ingrid' if is_outside else 'willa'}@wingtip.example",
            # Whoever is outside encrypts: what is plain would be taken from the edge's address alone.
            encryption="mediaenc=srtp-mand",
            address=FACTS["PHONES_OUTSIDE" if is_outside else "PHONE_INSIDE"],
            network="outside" if is_outside else "inside",
        )  # fmt: skip
    return people


def converse(report, people, anchor):
    willa, wanda, ingrid = (people[name] for name in HERTZ)
    if not anchor.startswith("lost"):
        check_network(report, anchor)
    for phone in people.values():
        report.check(f"{phone.aor} registers", lambda phone=phone: registers(phone))
    if anchor.startswith("lost"):
        return lose_edge(report, people, anchor == "lost-meeting")
    report.check("a message from outside", lambda: message(willa, ingrid))
    report.check("a message to outside", lambda: message(ingrid, willa))
    is_heard = anchor != "never"
    talk(report, HERTZ, (willa, wanda), True)
    talk(report, HERTZ, (willa, ingrid), is_heard)
    talk(report, HERTZ, (ingrid, wanda), is_heard)
    if is_heard:
        with_linphone(report, anchor, willa, ingrid)
    if anchor == "edges":
        meet(report, people, HERTZ, comity)


def check_network(report, anchor):
    if anchor == "edges":
        report.check("from outside no port of the home is there for sound", lambda: unreachable(FACTS["HOME_SOUND"], 20000))
    for host, port in [("HOME_INNER", 5061), ("HOME_INNER", 5071), ("HOME_SOUND", 5061), ("EDGE_INNER", 5061)]:
        report.check(f"from outside {host.lower()} port {port} is not there", lambda h=host, p=port: out_of_reach(FACTS[h], p))
    report.check("the edge is", lambda: connect(FACTS["EDGE_OUTER"], 5061))


def connect(host, port):
    with in_network("outside"):
        socket.create_connection((host, port), timeout=0.5).close()


def out_of_reach(host, port):
    try:
        connect(host, port)
    except OSError:
        return
    raise RuntimeError(f"{host}:{port} answers")


def unreachable(host, port):
    """Nobody even says that the port is closed."""
    with in_network("outside"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(0.5)
        sender.connect((host, port))
        try:
            sender.send(b"anybody there?")
            sender.recv(100)
        except (TimeoutError, OSError) as error:
            if isinstance(error, ConnectionRefusedError):
                raise RuntimeError(f"{host} answers") from None
            return
    raise RuntimeError(f"{host}:{port} answers")


def lose_edge(report, people, is_meeting):
    def kill():
        time.sleep(2)
        os.kill(int(FACTS["SPARE_PID"]), signal.SIGKILL)
        # The phones are offered other sound at once; what follows is what they hear then.
        time.sleep(4)

    def between():
        report.check("the edge by which they hear each other is killed", kill)

    if is_meeting:
        return meet(report, people, HERTZ, comity, between)
    willa, ingrid = people["willa"], people["ingrid"]
    talk(report, HERTZ, (willa, ingrid), True, between)
    for hearer, other in [(ingrid, "willa"), (willa, "ingrid")]:
        name = hearer.aor.split("@")[0]
        report.check(f"{name} heard {other} to the end", lambda h=hearer, o=other: hears_at_end(h, HERTZ[o]))


def hears_at_end(phone, hertz):
    level = loudness(last_recording(phone), hertz, -2.0, -0.5)
    if level < HEARD_DB:
        raise RuntimeError(f"{hertz} Hz is there at {level:.0f} dB of full scale")


def comity(*arguments):
    command = [FACTS["COMITY_PROGRAM"], "--config", FACTS["WORK"] + "/home/comity.toml", "--json", *arguments]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def with_linphone(report, anchor, willa, ingrid):
    home = Path(FACTS["WORK"]) / f"phones-{anchor}" / "lena"
    lena = Linphone(
        home, aor="lena@wingtip.example", password=FACTS["LENA_PASSWORD"], ca=Path(FACTS["WORK"]) / "public.pem",
        rtp=17078, friend=willa.aor, network="outside",
    )  # fmt: skip
    write_tone(home / "tone.wav", LENA_HERTZ)

    def registers_by_srv():
        lena.start()
        if not lena.registered:
            raise RuntimeError("the registration failed")

    def call():
        for path in (ingrid.home / "recordings").glob("*"):
            path.unlink()
        lena.command(f"call sip:{ingrid.aor}")
        ingrid.expect("CALL_ESTABLISHED", WAIT_SECS)
        lena.expect("Media streams established", WAIT_SECS)
        time.sleep(3)

    def hang_up():
        lena.command("terminate")
        ingrid.expect("CALL_CLOSED", WAIT_SECS)
        lena.expect("ended (No error)", WAIT_SECS)

    def write():
        text = f"good morning from {lena.aor}"
        lena.command(f"chat sip:{ingrid.aor} {text}")
        ingrid.expect_message(text, WAIT_SECS)

    try:
        report.check("a linphone outside finds the edge by the domain's SRV records", registers_by_srv)
        report.check("it writes to one inside", write)
        report.check("it calls one inside", call)
        report.check("it hangs up", hang_up)
        report.check("ingrid heard lena", lambda: expect_tone(ingrid.recording(), LENA_HERTZ))
        report.check("lena heard ingrid", lambda: expect_tone(lena.heard, HERTZ["ingrid"]))
    finally:
        lena.end()


def main():
    report, anchor = Report(), sys.argv[1]
    people = phones(Path(FACTS["WORK"]) / f"phones-{anchor}")
    try:
        converse(report, people, anchor)
    finally:
        for person in people.values():
            person.end()
    print(f"{report.passed} passed, {report.failed} failed")


main()

"""Willa has only IPv4, Wanda and Ingrid only IPv6. One line for each check, and the sum."""

import json
import os
import subprocess
from pathlib import Path

from baresip_phone import Baresip
from stage import Report
from talking import homes, meet, message, registers, talk

FACTS = os.environ
HERTZ = {"willa": 440, "wanda": 660, "ingrid": 880}


def phones(folder):
    people = {}
    for number, name, home in homes(folder, HERTZ):
        is_four = name == "willa"
        server = FACTS["SERVER_FOUR"] if is_four else f"[{FACTS['SERVER_SIX']}]"
        phone = FACTS["PHONE_FOUR"] if is_four else f"[{FACTS['PHONE_SIX']}]"
        people[name] = Baresip(
            home, aor=f"{name}@wingtip.example", password=FACTS[f"{name.upper()}_PASSWORD"], edge="sip.wingtip.example:5061",
            place=f"{server}:5061", ca=Path(FACTS["WORK"]) / "public.pem", dns=f"{server}:53", port=15060 + 10 * number,
            peer=f"{'wanda' if is_four else 'willa'}@wingtip.example",
            # Each another encryption, so that both kinds pass from one family to the other.
            encryption="mediaenc=" if name == "ingrid" else "mediaenc=srtp",
            address=phone, network="four" if is_four else "six",
        )  # fmt: skip
    return people


def comity(*arguments):
    command = [FACTS["COMITY_PROGRAM"], "--config", FACTS["WORK"] + "/comity.toml", "--json", *arguments]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def legs():
    opened = [line for line in metrics() if line.startswith("comity_media_legs_opened_total")]
    return sum(int(line.rsplit(" ", 1)[1]) for line in opened)


def metrics():
    command = [FACTS["COMITY_PROGRAM"], "--config", FACTS["WORK"] + "/comity.toml", "metrics"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def expect_legs(before, wanted):
    opened = legs() - before
    if opened != wanted:
        raise RuntimeError(f"{opened} legs were opened, not {wanted}")


def converse(report, people):
    willa, wanda, ingrid = people.values()
    for phone in people.values():
        report.check(f"{phone.aor} registers", lambda phone=phone: registers(phone))
    report.check("a message from IPv4 to IPv6", lambda: message(willa, wanda))
    report.check("a message from IPv6 to IPv4", lambda: message(wanda, willa))
    for ends, wanted in [((willa, wanda), 2), ((wanda, willa), 2), ((ingrid, willa), 2), ((wanda, ingrid), 0)]:
        before = legs()
        talk(report, HERTZ, ends, True)
        report.check(f"the server had {wanted} legs of sound in it", lambda b=before, w=wanted: expect_legs(b, w))
    meet(report, people, HERTZ, comity)


def main():
    report = Report()
    people = phones(Path(FACTS["WORK"]) / "phones")
    try:
        converse(report, people)
    finally:
        for person in people.values():
            person.end()
    print(f"{report.passed} passed, {report.failed} failed")


main()

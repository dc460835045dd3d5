"""What a kill, a drain and a new edge cost: pool.py COMITY [--quick] [--only TEXT] [--table FILE].

Two edges before one home, balanced by the DNS or by HAProxy, and a partner that goes to another address by itself or keeps
the first that answered. Both sides send messages and begin calls all the time, and some calls stand when it happens.
"""

import argparse
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

from agents import KeepsFirst, Phone
from place import FABRIKAM, HOME, NORTHWIND, PASSWORD, POOL, Place

ALICE, FAY, NINA = "alice@contoso.example", "fay@fabrikam.example", "nina@northwind.example"
METHODS = {"dns": "DNS", "haproxy": "HAProxy"}
PARTNERS = {"fails-over": "fails over by itself", "keeps-first": "keeps the first address"}
EVENTS = {"dns": ["kill", "drain", "add", "vanish"], "haproxy": ["kill", "drain", "add", "vanish", "balancer"]}
SHOWN = {"vanish": "the machine vanishes", "balancer": "HAProxy is killed, and back after 5 s"}
CALLS_EACH = 3


class Load:
    """Messages one way, and now and then a call; each attempt with its time and whether it succeeded."""

    def __init__(self, sender, recipient):
        self.sender, self.recipient = sender, recipient
        self.messages, self.calls, self.standing = [], [], []
        self.is_over, self.why = False, []
        self.threads = [threading.Thread(target=self.write, daemon=True), threading.Thread(target=self.ring, daemon=True)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def finish(self):
        self.is_over = True
        for thread in self.threads:
            thread.join()

    def write(self):
        """One message after the other may wait for seconds: each has a thread of its own."""
        under_way, number = [], 0
        while not self.is_over:
            number += 1
            thread = threading.Thread(target=self.write_one, args=[f"{self.sender.aor} {number}"], daemon=True)
            thread.start()
            under_way.append(thread)
            time.sleep(0.1)
        for thread in under_way:
            thread.join()

    def write_one(self, text):
        begun = time.monotonic()
        status = self.sender.say(self.recipient.aor, text)
        time.sleep(0.2)
        self.messages.append((begun, status, text in self.recipient.heard))

    def ring(self):
        while not self.is_over:
            begun = time.monotonic()
            call = self.sender.call(self.recipient.aor)
            is_well = call is not None and self.sender.hang_up(call) == 200
            if not is_well:
                self.why.append((call and "BYE", self.sender.last))
            self.calls.append((begun, is_well))
            time.sleep(max(0, begun + 1 - time.monotonic()))

    def stand(self):
        """Calls that are there before it happens."""
        for _ in range(CALLS_EACH):
            call = self.sender.call(self.recipient.aor)
            if call is None:
                raise RuntimeError(f"{self.sender.aor} cannot call {self.recipient.aor}: {self.sender.last}")
            self.standing.append(call)

    def hang_up(self):
        """How many of these can be ended in order: one by who was called, the others by who called."""
        first = self.recipient.dialogs.get(self.standing[0].call_id)
        ended = [first is not None and self.recipient.hang_up(first) == 200]
        return sum(ended + [self.sender.hang_up(call) == 200 for call in self.standing[1:]])

    def lost(self):
        return [begun for begun, status, is_heard in self.messages if not (200 <= status < 300 and is_heard)]

    def failed(self):
        return [begun for begun, is_well in self.calls if not is_well]


def stage(place, partner):
    """Everything up, and who speaks."""
    place.serve_names([1, 2])
    place.make_home()
    place.serve("home")
    for edge in (1, 2):
        place.make_edge(edge)
    if partner == "fails-over":
        place.make_fabrikam()
        place.serve("fabrikam")


def speakers(place, partner):
    alice = Phone((HOME, 5060), ALICE, PASSWORD)
    if partner == "fails-over":
        return alice, Phone((FABRIKAM, 5060), FAY, PASSWORD)
    certificate = (place.folder / "northwind.pem", place.folder / "northwind.key")
    asked = lambda: (POOL, 5061, place.addresses([1, 2])[0])
    return alice, KeepsFirst(NINA, "sip.northwind.example", (NORTHWIND, 5061), asked, certificate, place.folder / "ca.pem")


def wait_until(what, is_so, secs_max=20):
    deadline = time.monotonic() + secs_max
    while not is_so():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited too long until {what}")
        time.sleep(0.2)


def busier(place):
    """The edge that most goes through."""
    return max((1, 2), key=lambda edge: place.heard(f"edge{edge}"))


def happen(place, event):
    """What happens, and to which edge."""
    if event == "add":
        place.serve("edge2")
        if place.method == "dns":
            place.publish([1, 2])
        return 2
    if event == "balancer":
        place.kill("haproxy")
        time.sleep(BALANCER_AWAY_SECS)
        place.start_balancer()
        return None
    victim = busier(place)
    if event == "vanish":
        place.vanish(victim)
        return victim
    if event == "kill":
        place.kill(f"edge{victim}")
    else:
        place.comity(f"edge{victim}", "drain")
    return victim


def perform(place, partner, event, secs):
    """One row of the table."""
    stage(place, partner)
    present = [1] if event == "add" else [1, 2]
    for edge in present:
        place.serve(f"edge{edge}")
    if event == "add" and place.method == "dns":
        place.publish([1])
    if place.method == "haproxy":
        # It takes its servers for well until it has asked them.
        place.start_balancer()
    alice, other = speakers(place, partner)
    wait_until("both can write", lambda: {alice.say(other.aor, "?") // 100, other.say(ALICE, "?") // 100} == {2})
    loads = {"in": Load(other, alice), "out": Load(alice, other)}
    for load in loads.values():
        load.stand()
        load.start()
    time.sleep(3)
    at = time.monotonic()
    edge = happen(place, event)
    before = place.heard("edge2") if event == "add" else 0
    time.sleep(secs)
    ended = {way: load.hang_up() for way, load in loads.items()}
    for load in loads.values():
        load.finish()
    share = place.heard("edge2") - before if event == "add" else None
    if isinstance(other, KeepsFirst):
        other.close()
    return Row(place.method, partner, event, edge, at, time.monotonic(), loads, ended, share)


class Row:
    def __init__(self, method, partner, event, edge, at, until, loads, ended, share):
        self.method, self.partner, self.event, self.edge, self.at, self.until = method, partner, event, edge, at, until
        self.loads, self.ended, self.share = loads, ended, share

    def recovered(self, load):
        """Seconds from the event to the last failure; None where it failed until the end."""
        failures = sorted(load.lost() + load.failed())
        if not failures or failures[-1] < self.at:
            return 0.0
        begun = [begun for begun, *_ in load.messages + load.calls]
        return failures[-1] - self.at if failures[-1] < max(begun) - 2 else None

    def cells(self):
        for way, load in self.loads.items():
            recovered = self.recovered(load)
            yield {
                "Balanced by": METHODS[self.method],
                "The partner": PARTNERS[self.partner],
                "Event": SHOWN.get(self.event, self.event),
                "Way": "partner to user" if way == "in" else "user to partner",
                "Messages lost": f"{len(load.lost())} of {len(load.messages)}",
                "New calls failed": f"{len(load.failed())} of {len(load.calls)}",
                "Standing calls ended well": f"{self.ended[way]} of {CALLS_EACH}",
                "Well again after": "not within the run" if recovered is None else "at once" if recovered == 0 else f"{recovered:.1f} s",
            }

    def line(self):
        said = []
        for cells in self.cells():
            said.append(f"{cells['Way']}: lost {cells['Messages lost']}, calls failed {cells['New calls failed']}, "
                        f"standing {cells['Standing calls ended well']}, {cells['Well again after']}")
        share = "" if self.share is None else f"; the new edge has heard {self.share} messages"
        statuses = sorted(status for load in self.loads.values() for _, status, is_heard in load.messages if not is_heard)
        lost = f"; lost with {dict((status, statuses.count(status)) for status in statuses)}" if statuses else ""
        calls = "".join(f"; a call: {why}" for load in self.loads.values() for why in load.why[:2])
        return f"{self.method:8} {self.partner:12} {self.event:6} {'; '.join(said)}{share}{lost}{calls}"


def expected(row):
    """What must hold: what is lost is bounded by what one edge had in hand, and everybody who can recover does."""
    problems = []
    # A partner that goes nowhere else is lost with its edge: that is the point of these rows.
    strands = row.event != "add" and row.method == "dns" and row.partner == "keeps-first"
    for way, load in row.loads.items():
        recovered = row.recovered(load)
        if strands and way == "in":
            problems += ["it should have stayed away"] if recovered is not None else []
            continue
        secs_max = {"vanish": VANISHED_SECS_MAX, "balancer": BALANCER_AWAY_SECS + RECOVERY_SECS_MAX}.get(row.event, RECOVERY_SECS_MAX)
        if recovered is None or recovered > secs_max:
            problems.append(f"{way}: not well again within {secs_max} s")
        if row.event == "add" and (load.lost() or load.failed()):
            problems.append(f"{way}: a new edge cost something")
        # One of them is ended by who was called, which is the partner on the way out.
        if row.event != "vanish" and row.ended[way] < CALLS_EACH - strands:
            problems.append(f"{way}: only {row.ended[way]} of {CALLS_EACH} standing calls could be ended")
    return problems


def table(rows):
    cells = [cell for row in rows for cell in row.cells()]
    names = list(cells[0])
    lines = [names, ["---"] * len(names), *([cell[name] for name in names] for cell in cells)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main():
    reader = argparse.ArgumentParser()
    reader.add_argument("comity")
    reader.add_argument("--quick", action="store_true", help="each event once less long")
    reader.add_argument("--only", default="", help="rows with this text in their name, such as dns/keeps-first/kill")
    reader.add_argument("--table", help="write the table into this page, between its marks")
    reader.add_argument("--keep", action="store_true", help="leave configurations and logs")
    wanted = reader.parse_args()
    folder, rows, failed = Path(tempfile.mkdtemp(prefix="comity-pool-")), [], 0
    try:
        for method in METHODS:
            for partner in PARTNERS:
                for event in EVENTS[method]:
                    name = f"{method}/{partner}/{event}"
                    if wanted.only not in name:
                        continue
                    place = Place(wanted.comity, folder / name.replace("/", "-"), method)
                    try:
                        secs = VANISHED_SECS_MAX + 10 if event == "vanish" else 8 if wanted.quick else 20
                        row = perform(place, partner, event, secs)
                    finally:
                        place.end()
                    problems = expected(row)
                    rows.append(row)
                    failed += bool(problems)
                    print(f"{'FAIL' if problems else 'ok  '} {row.line()}", *problems, sep="\n       ", flush=True)
    finally:
        if wanted.keep:
            print(folder)
        else:
            shutil.rmtree(folder)
    if wanted.table:
        write(Path(wanted.table), table(rows))
    print(f"{len(rows) - failed} passed, {failed} failed")
    return 0 if rows and not failed else 1


def write(page, text):
    head, _, rest = page.read_text().partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(f"{head}{BEGIN}\n{text}{END}{tail}")


# The time in which a partner or a home gives up an edge that does not answer, and a balancer takes it out.
RECOVERY_SECS_MAX = 6
# Where nothing says that it is gone: the transactions' time, and the next try.
VANISHED_SECS_MAX = 45
BALANCER_AWAY_SECS = 5
BEGIN, END = "<!-- written by ./test pool_long -->", "<!-- end -->"

if __name__ == "__main__":
    sys.exit(main())

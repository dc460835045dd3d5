"""Follows the page: each fenced block with a machine's name is typed there, or compared with what was seen there.

```sh MACHINE...       typed there, by whom that machine belongs to
```sh MACHINE dns      its output goes to whoever runs the DNS, who publishes the records of its table, and nothing else
```sh MACHINE authority   its output is a request; the certificate comes back as answer.pem
```sh MACHINE open     a program on a terminal, which stays open
```text MACHINE types  typed into that program
```text MACHINE        seen there; "..." stands for anything, also within a line
```sh builder          done before, by run
PASSWORD is the one that was made for the person whose computer it is.
"""

import re
import sys
import time
from pathlib import Path

from machine import Machine, Operators

LANGUAGES = {"sh", "text"}
ACTS = {"dns", "authority", "open", "types"}


def blocks(page):
    """Yields (line number, machines, act or None, language, text) of each fenced block."""
    fence = re.compile(r"^```(\S+)?([^\n`]*)\n(.*?)^```$", re.M | re.S)
    for found in fence.finditer(page):
        line = page.count("\n", 0, found.start()) + 1
        language, names = found[1], found[2].split()
        acts = [name for name in names if name in ACTS]
        machines = [name for name in names if name not in ACTS]
        if language not in LANGUAGES or not machines or len(acts) > 1:
            raise SystemExit(f"line {line}: a block must say what it is and on which machine: ```sh contoso")
        yield line, machines, (acts or [None])[0], language, found[3]


def difference(expected, seen):
    """The first expected line that was not seen in its place, or None. A line "..." stands for any number of lines."""
    lines = [line.rstrip() for line in seen.splitlines()]
    place, may_skip = 0, False
    for want in expected.rstrip("\n").splitlines():
        if want == "...":
            may_skip = True
            continue
        pattern = re.compile(".*".join(re.escape(piece) for piece in want.split("...")))
        rest = range(place, len(lines)) if may_skip else range(place, min(place + 1, len(lines)))
        place = next((number + 1 for number in rest if pattern.fullmatch(lines[number])), None)
        if place is None:
            return want
        may_skip = False
    return None if may_skip or place == len(lines) else f"the end; there is more: {lines[place]!r}"


class Reader:
    """Goes through the page."""

    def __init__(self):
        self.machines = {name: Machine(name) for name in ("contoso", "fabrikam", "alice", "bob")}
        self.operators = Operators()
        self.passwords = {}

    def follow(self, page):
        for line, names, act, language, text in blocks(page):
            begin = time.monotonic()
            for name in names:
                if name == "builder":
                    continue
                try:
                    self.take(self.machines[name], act, language, text)
                except Exception as problem:
                    raise SystemExit(f"FAIL line {line}, {name}: {text.strip()}\n{problem}") from None
            summary = "sees" if language == "text" and act is None else act or "types"
            first = next((row for row in text.splitlines() if row != "..."), "")
            print(f"ok {(time.monotonic() - begin) * 1000:6.0f} ms  line {line:3}  {' '.join(names)} {summary}: {first}", flush=True)

    def take(self, machine, act, language, text):
        if language == "text" and act is None:
            return self.compare(machine, text)
        if act == "types":
            return machine.type_into_program(text)
        for person, password in self.passwords.items():
            if machine.name == person:
                text = text.replace("PASSWORD", password)
        if act == "open":
            return machine.open_program(text)
        seen = machine.type(text)
        for person, password in re.findall(r"^user (\w+)@\S+ added\npassword: (\S+)$", seen, re.M):
            self.passwords[person] = password
        if act == "dns":
            self.operators.publish(f"{machine.name}.example", seen)
        if act == "authority":
            machine.put("answer.pem", self.operators.certify(seen))
        return None

    def compare(self, machine, expected):
        """What a program shows may take a moment."""
        deadline = time.monotonic() + (10 if machine.program else 0)
        while (missing := difference(expected, machine.seen())) is not None:
            if time.monotonic() > deadline:
                raise RuntimeError(f"not seen: {missing}\nwhat was seen:\n{machine.seen()}")
            time.sleep(0.1)


if __name__ == "__main__":
    Reader().follow(Path(sys.argv[1]).read_text())

"""A machine of the bench as the person before it has it, and the people whom an administrator writes to."""

import os
import pty
import re
import subprocess
import threading
from pathlib import Path

RUN = Path(__file__).with_name("run")
# What a terminal is told beside the text.
CONTROL = re.compile(r"\x1b\[[0-9;]*m")


def bench(*words, given=""):
    """Runs `run within`, and returns what it printed; fails with that if it fails."""
    done = subprocess.run([RUN, "within", *words], input=given, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise RuntimeError(f"failed with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


class Machine:
    def __init__(self, name):
        self.name = name
        self.output = ""
        self.program = None

    def type(self, text):
        """Types it into a shell, to its end; every line must succeed."""
        self.output = bench(self.name, "bash", "-euo", "pipefail", "-c", text)
        return self.output

    def put(self, name, text):
        """A file in the person's home."""
        bench(self.name, "tee", name, given=text)

    def open_program(self, text):
        """Starts it on a terminal of its own, where it stays."""
        self.output, (self.program, inside) = "", pty.openpty()
        command = [RUN, "within", self.name, "bash", "-c", text]
        subprocess.Popen(command, stdin=inside, stdout=inside, stderr=inside, start_new_session=True)  # ends with the bench
        os.close(inside)
        threading.Thread(target=self.read_on, daemon=True).start()

    def type_into_program(self, text):
        os.write(self.program, text.encode())

    def seen(self):
        return CONTROL.sub("", self.output.replace("\r\n", "\n").replace("\r", "\n"))

    def read_on(self):
        try:
            while piece := os.read(self.program, 4096):
                self.output += piece.decode(errors="replace")
        except OSError:
            pass  # the program ended, and its terminal with it


class Operators:
    """Whoever runs the DNS, and the certificate authority: they know what they are sent, and nothing else."""

    def publish(self, domain, plan):
        rows = re.findall(r"^\| *(\S+) *\| *`(\S+)` *\| *(A|AAAA|SRV|CNAME|TXT) *\| *`([^`]+)` *\|", plan, re.M)
        records = [f"{owner} {kind} {value}\n" for zone, owner, kind, value in rows if zone == domain]
        if not records:
            raise RuntimeError(f"no records for {domain} in:\n{plan}")
        bench("bench", "publish", domain, given="".join(records))

    def certify(self, request):
        return bench("bench", "certify", "90", given=request)

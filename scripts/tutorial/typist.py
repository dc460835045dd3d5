"""Follows a page as a reader does: types its commands, keeps its terminals open, and looks for what it says is shown.

What a block is stands behind its fence: `sh` is typed, `sh terminal` runs on in a terminal of its own, `baresip` is typed in
Alice's phone, `text` is shown by what was typed before it, the name of a file is its content; `sh before` is done already.
"""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time

SECONDS_MAX = 20
# By the first word of what runs in a terminal: what it says once it is ready.
READY = {"dnsmasq": "started", "comity": " serving", "baresip": "registered successfully"}


class Terminal:
    def __init__(self, command, folder):
        leader, follower = pty.openpty()
        # Unadorned: the words are looked for, not the colours.
        environment = dict(os.environ, TERM="dumb", NO_COLOR="1")
        self.process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=folder, env=environment, start_new_session=True,
            stdin=follower, stdout=follower, stderr=follower,
        )  # fmt: skip
        os.close(follower)
        self.leader, self.shown = leader, ""

    def type(self, line):
        os.write(self.leader, f"{line}\n".encode())

    def expect(self, words):
        """Waits for the words, and takes everything up to them."""
        deadline = time.monotonic() + SECONDS_MAX
        while words not in self.shown:
            if time.monotonic() > deadline:
                raise SystemExit(f"{words!r} was not shown, but:\n{self.shown}")
            if select.select([self.leader], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self.leader, 65536).decode(errors="replace")
                except OSError:  # It has ended.
                    deadline = 0
        self.shown = self.shown.split(words, 1)[1]

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Reader:
    def __init__(self, folder):
        self.folder, self.terminals, self.phones, self.passwords, self.printed = folder, [], {}, {}, ""

    def follow(self, kind, text):
        if kind == "sh":
            self.type(text)
        elif kind == "sh terminal":
            self.open_terminal(text.strip())
        elif kind == "baresip":
            self.phones["alice"].type(text.strip())
            # Its answer ends the line; a message that was taken has none.
            time.sleep(0.5)
        elif kind == "text":
            self.look_for(text)
        elif kind == "sh before":
            print("     (done already)")
        else:
            with open(os.path.join(self.folder, kind), "w") as file:
                file.write(text)

    def type(self, text):
        done = subprocess.run(["bash", "-ec", f"{text}\npwd"], cwd=self.folder, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"it failed with {done.returncode}:\n{done.stdout}{done.stderr}")
        self.printed, _, folder = done.stdout.strip().rpartition("\n")
        self.folder = folder
        self.passwords.update(re.findall(r"user (\w+)@\S+ added\npassword: (\S+)", self.printed))

    def open_terminal(self, command):
        program, *words = command.split()
        if program == "baresip":
            self.fill_in_password(words[-1])
        terminal = Terminal(command, self.folder)
        self.terminals.append(terminal)
        terminal.expect(READY[program])
        if program == "baresip":
            self.phones[words[-1]] = terminal

    def fill_in_password(self, user):
        path = os.path.join(self.folder, user, "accounts")
        with open(path) as file:
            account = file.read()
        assert "PASSWORD" in account, account
        with open(path, "w") as file:
            file.write(account.replace("PASSWORD", self.passwords[user]))

    def look_for(self, text):
        lines = text.strip().splitlines()
        if lines[0].startswith("sip:"):
            self.phones["bob"].expect(lines[0])
        elif not lines[0].startswith("verdict:"):
            self.phones["alice"].expect(lines[0])
        elif text.strip() not in self.printed:
            raise SystemExit(f"the page shows:\n{text}\nbut it was:\n{self.printed}")


def blocks(page):
    with open(page) as file:
        first_part = file.read().split("\n## On two machines\n")[0]
    return re.findall(r"^```([^\n]*)\n(.*?)^```$", first_part, re.M | re.S)


def main():
    found = blocks(sys.argv[1])
    assert len(found) > 15, "the page has lost its blocks"
    with tempfile.TemporaryDirectory() as folder:
        reader = Reader(folder)
        try:
            for kind, text in found:
                print(f"{kind:11}  {text.strip().splitlines()[0]}", flush=True)
                reader.follow(kind, text)
        finally:
            for terminal in reversed(reader.terminals):
                terminal.end()
    print(f"the tutorial works: {len(found)} blocks")


main()

"""One headless baresip, steered over its control socket (netstrings of JSON)."""

import contextlib
import ctypes
import json
import os
import re
import socket
import subprocess
import time

MODULES = ["g711", "g722", "aufile", "sndfile", "uuid", "srtp"]
APPLICATIONS = ["contact", "menu", "ctrl_tcp", "presence"]
CONFIG = """\
poll_method epoll
sip_listen {address}:{port}
sip_cafile {ca}
sip_verify_server yes
dns_server {dns}
call_local_timeout 30
call_max_calls 4
audio_path /usr/share/baresip
audio_source aufile,{home}/tone.wav
ausrc_srate 8000
auplay_srate 8000
auplay_channels 1
audio_level no
rtp_ports {rtp_first}-{rtp_last}
ctrl_tcp_listen 127.0.0.1:{control}
snd_path {home}/recordings
module_path /usr/lib/baresip/modules
"""


class Baresip:
    def __init__(self, home, *, aor, password, edge, place, ca, dns, port, peer,
                 codecs="PCMU/8000/1,PCMA/8000/1", encryption="mediaenc=srtp",
                 address="10.99.0.1", network=None):  # fmt: skip
        """`network`: the name of another network namespace in which it lives, at that address."""
        self.home, self.aor, self.control, self.network = home, aor, port + 5, network
        self.edge_to_us = f"TLS {place} -> "
        self.process = self.socket = None
        self.unread, self.events, self.asked = b"", [], 0
        (home / "recordings").mkdir()
        config = CONFIG.format(home=home, ca=ca, dns=dns, port=port, address=address, control=self.control,
                               rtp_first=port + 1000, rtp_last=port + 1009)  # fmt: skip
        config += "".join(f"module {name}.so\n" for name in MODULES)
        config += "module_tmp account.so\n"
        config += "".join(f"module_app {name}.so\n" for name in APPLICATIONS)
        (home / "config").write_text(config)
        user = aor.split("@")[0]
        (home / "accounts").write_text(
            f'<sip:{aor}>;auth_user={user};auth_pass={password};outbound="sip:{edge};transport=tls";'
            f"regint=600;audio_codecs={codecs};{encryption};answermode=auto;pubint=300\n"
        )
        # The current contact is whom the command "message" writes to, and who is watched.
        (home / "contacts").write_text(f'"peer" <sip:{peer}>;presence=p2p\n')

    def start(self):
        log = (self.home / "log").open("w")
        # Unbuffered: the trace is read while it grows.
        command = ["stdbuf", "-o0", "baresip", "-s", "-f", str(self.home)]
        if self.network:
            command = ["nsenter", f"--net=/run/netns/{self.network}", *command]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        deadline = time.monotonic() + 5
        while self.socket is None:
            try:
                with in_network(self.network):
                    self.socket = socket.create_connection(("127.0.0.1", self.control), timeout=1)
            except ConnectionRefusedError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"baresip did not start: {self.printed()[-500:]}") from None
                time.sleep(0.02)

    def command(self, name, parameters="", token=""):
        """What answers it bears the token."""
        text = json.dumps({"command": name, "params": parameters, "token": token}).encode()
        self.socket.sendall(b"%d:%s," % (len(text), text))

    def expect(self, kind, seconds):
        """Takes the first event of that kind, from those that came already or are yet to come."""
        deadline = time.monotonic() + seconds
        while True:
            for event in self.events:
                if event.get("type") == kind:
                    self.events.remove(event)
                    return event
            self.read(deadline, kind)

    def expect_registered(self, seconds):
        """By asking: its own word for it may come before there is anybody on the control socket."""
        self.expect_answer("reginfo", r"(OK) ", "OK", seconds)

    def expect_contact(self, state, seconds):
        """Waits until it shows its contact as that: Online, Offline, Busy, or Unknown where it was told nothing."""
        self.expect_answer("contacts", r"m(\w+)\x1b\[;m peer", state, seconds)

    def expect_answer(self, command, pattern, wanted, seconds):
        """Asks until the group of the pattern is as wanted."""
        deadline, seen = time.monotonic() + seconds, None
        while seen != wanted:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.aor}: {command} says {seen}, not {wanted}")
            found = re.search(pattern, self.ask(command, deadline))
            seen = found and found[1]
            time.sleep(0 if seen == wanted else 0.05)

    def ask(self, command, deadline):
        self.asked += 1
        self.command(command, token=str(self.asked))
        while True:
            for event in self.events:
                if event.get("token") == str(self.asked):
                    self.events.remove(event)
                    return event["data"]
            self.read(deadline, f"answer to {command}")

    def expect_message(self, text, seconds):
        """Waits until its trace shows the message on the way in: a baresip without a terminal prints it nowhere."""
        deadline = time.monotonic() + seconds
        while not any(way.startswith(self.edge_to_us) and start.startswith("MESSAGE ") and body == text
                      for way, start, body in self.trace()):  # fmt: skip
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.aor} did not receive: {text}")
            time.sleep(0.05)

    def trace(self):
        """Each message as (way, start line, body)."""
        for chunk in self.printed().split("\x1b[36;1m#\n")[1:]:
            way, _, message = chunk.split("\x1b[;m")[0].partition("\n")
            head, _, body = message.replace("\r\n", "\n").partition("\n\n")
            yield way, head.partition("\n")[0], body

    def printed(self):
        return (self.home / "log").read_text(errors="replace")

    def recording(self):
        """What was received and decoded, in the first call."""
        return min((self.home / "recordings").glob("*dec.wav"), key=lambda path: path.stat().st_mtime)

    def read(self, deadline, wanted):
        left = deadline - time.monotonic()
        if left <= 0:
            raise RuntimeError(f"{self.aor}: no {wanted}; seen: {[event.get('type') for event in self.events]}")
        self.socket.settimeout(left)
        try:
            piece = self.socket.recv(65536)
        except TimeoutError:
            return
        if not piece:
            raise RuntimeError(f"{self.aor}: baresip ended")
        self.unread += piece
        while b":" in self.unread:
            length, rest = self.unread.split(b":", 1)
            if len(rest) <= int(length):
                return
            self.unread = rest[int(length) + 1 :]
            self.events.append(json.loads(rest[: int(length)]))

    def end(self):
        if self.socket:
            self.socket.close()
            self.socket = None
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@contextlib.contextmanager
def in_network(name):
    """Sockets that are made meanwhile belong to that network namespace; None: to this one."""
    if not name:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net") as ours, open(f"/run/netns/{name}") as theirs:

        def enter(namespace):
            if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"cannot enter the network {name}: {os.strerror(ctypes.get_errno())}")

        enter(theirs)
        try:
            yield
        finally:
            enter(ours)


CLONE_NEWNET = 0x40000000

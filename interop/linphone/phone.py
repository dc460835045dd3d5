"""One linphonec, steered over its standard input; what it says is read from its output."""

import os
import re
import subprocess
import time

CONFIG = """\
[sip]
sip_port=-1
sip_tcp_port=-1
sip_tls_port=-1
root_ca={ca}
verify_server_certs=1
verify_server_cn=1
use_ipv6=0
guess_hostname=1
register_only_when_network_is_up=0
media_encryption=srtp
default_proxy=0
contact=sip:{aor}
{certificate}
[proxy_0]
reg_proxy=<sip:{edge};transport=tls>
reg_route=<sip:{edge};transport=tls;lr>
reg_identity=sip:{aor}
reg_expires=600
reg_sendregister=1
publish={publish}

[auth_info_0]
username={user}
passwd={password}
realm={domain}
domain={domain}

[friend_0]
url=<sip:{friend}>
pol=accept
subscribe=1

[rtp]
audio_rtp_port={rtp}

[audio_codec_0]
mime=PCMU
rate=8000
channels=1
enabled=1

[misc]
prefer_basic_chat_room=1

[video]
enabled=0
"""


class Linphone:
    def __init__(self, home, *, aor, password, ca, rtp, friend, publishes=False, edge=None, certificate=None,
                 network=None):  # fmt: skip
        """`friend`: whom it watches. `certificate`: a folder with the one that it shows when it is asked for one. `network`: the
        name of another network namespace in which it lives."""
        home.mkdir(exist_ok=True)
        user, domain = aor.split("@")
        shown = f"client_cert_chain={certificate}/certificate.pem\nclient_cert_key={certificate}/certificate.key\n"
        config = CONFIG.format(
            ca=ca, aor=aor, user=user, domain=domain, password=password, rtp=rtp, edge=edge or domain,
            certificate=shown if certificate else "", friend=friend, publish=int(publishes),
        )  # fmt: skip
        (home / "rc").write_text(config)
        # Its database wants the folder.
        (home / ".local/share/linphone").mkdir(parents=True, exist_ok=True)
        self.home, self.aor, self.network = home, aor, network
        self.heard = home / "heard.wav"
        self.process = None

    def start(self):
        command = ["linphonec", "-a", "-c", str(self.home / "rc"), "-d", "6", "-l", str(self.home / "log")]
        if self.network:
            command = ["nsenter", f"--net=/run/netns/{self.network}", *command]
        (self.home / "log").unlink(missing_ok=True)
        self.read_from = 0
        with (self.home / "said").open("w") as said:
            self.process = subprocess.Popen(
                ["stdbuf", "-o0", *command], stdin=subprocess.PIPE, stdout=said, stderr=said,
                env={**os.environ, "HOME": str(self.home)},
            )  # fmt: skip
        self.registered = self.wait_for_registration(10)
        # Files in place of a sound card, which nothing has here.
        for line in ["soundcard use files", f"play {self.home}/tone.wav", f"record {self.heard}"]:
            self.command(line)

    def wait_for_registration(self, seconds):
        """Whether it succeeds. Without a certificate linphonec asks for a password whenever a server asks for one, and
        takes the next line for the answer; it can do without either."""
        deadline, prompts, quiet = time.monotonic() + seconds, 0, 0
        # The outcome may come while a prompt waits.
        while quiet < 10:
            asked = self.said().count("Password for ")
            if asked > prompts:
                prompts, quiet = asked, 0
                self.command("none")
            elif self.logged("[LinphoneRegistrationOk]") or self.logged("[LinphoneRegistrationFailed]"):
                quiet += 1
            elif time.monotonic() > deadline:
                raise RuntimeError(f"{self.aor} does not register: {self.said()[-400:]!r}")
            time.sleep(0.05)
        return self.logged("[LinphoneRegistrationOk]")

    def said(self):
        return (self.home / "said").read_text(errors="replace")

    def command(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def expect(self, words, seconds):
        """Waits until it has said this since the last time that something was expected of it."""
        deadline = time.monotonic() + seconds
        while True:
            said = self.said()
            found = said.find(words, self.read_from)
            if found >= 0:
                self.read_from = found + len(words)
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.aor} did not say '{words}' but: {said[self.read_from:][-400:]!r}")
            time.sleep(0.05)

    def expect_friend(self, state, seconds):
        """Waits until the last that it said of its friend is this: Online, Offline or On the phone."""
        deadline = time.monotonic() + seconds
        while (seen := self.friend()) != state:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.aor} sees its friend as {seen}, not {state}")
            time.sleep(0.05)

    def friend(self):
        states = re.findall(r'Friend "\w+" <sip:\S+> is (.+)', self.said())
        return states[-1].strip() if states else None

    def logged(self, words):
        log = self.home / "log"
        return log.exists() and words in log.read_text(errors="replace")

    def end(self):
        if self.process is None or self.process.poll() is not None:
            return
        try:
            self.command("quit")
            self.process.wait(8)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self.process.kill()
            self.process.wait()

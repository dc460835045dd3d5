"""A phone of one's own, byte by byte: what it sends is written by the test, and nothing is put right on the way."""

import hashlib
import re
import select
import socket
import ssl
import time

COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length", "c": "content-type"}


class Message:
    """What came: the first line, the headers in their order, and the body."""

    def __init__(self, data):
        head, _, self.body = data.partition(b"\r\n\r\n")
        self.start, *lines = re.sub(r"\r\n[ \t]+", " ", head.decode()).split("\r\n")
        self.headers = []
        for line in lines:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            self.headers.append((COMPACT.get(name, name), value.strip()))
        self.text = data.decode(errors="replace")

    @property
    def status(self):
        """None of a request."""
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0 ") else None

    @property
    def method(self):
        return self.first("cseq").split()[1]

    def all(self, name):
        return [value for header, value in self.headers if header == name]

    def first(self, name):
        return next(iter(self.all(name)), "")


class Phone:
    """One socket of a user, by UDP, TCP or TLS."""

    serial = 0

    def __init__(self, facts, user, transport, organisation="CONTOSO"):
        self.user, self.transport = user, transport
        self.domain = organisation.lower() + ".example"
        self.password = facts[user.upper() + "_PASSWORD"]
        host, port = facts[organisation + ("_TLS" if transport == "TLS" else "_PLAIN")].rsplit(":", 1)
        kind = socket.SOCK_DGRAM if transport == "UDP" else socket.SOCK_STREAM
        plain = socket.socket(socket.AF_INET, kind)
        plain.connect((host, int(port)))
        self.socket = plain
        if transport == "TLS":
            context = ssl.create_default_context(cafile=facts["CA"])
            self.socket = context.wrap_socket(plain, server_hostname=self.domain)
        self.place = "%s:%d" % self.socket.getsockname()
        self.contact = f"<sip:{user}@{self.place};transport={transport.lower()}>"
        self.buffer = b""
        self.nonces = {}

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def is_ready(self):
        return bool(self.buffer) or (self.transport == "TLS" and self.socket.pending() > 0)

    def take(self, secs=3):
        """The next message; what is asked to wait (100) is passed over."""
        deadline = time.monotonic() + secs
        while True:
            message = self._cut()
            if message and message.status != 100:
                return message
            if message:
                continue
            left = deadline - time.monotonic()
            if left <= 0 or not (self.transport == "TLS" and self.socket.pending()) and not select.select(
                [self.socket], [], [], left
            )[0]:
                raise TimeoutError(f"nothing came to {self.user}")
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError(f"the connection of {self.user} was ended")
            self.buffer += data

    def nothing(self, secs=0.4):
        """Nothing more comes."""
        try:
            raise AssertionError(f"{self.user} got {self.take(secs).start}")
        except TimeoutError:
            pass

    def _cut(self):
        self.buffer = self.buffer.lstrip(b"\r\n")
        if not self.buffer:
            return None
        if self.transport == "UDP":
            data, self.buffer = self.buffer, b""
            return Message(data)
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        length = int(re.search(rb"(?im)^(?:content-length|l)\s*:\s*(\d+)", head)[1])
        if len(rest) < length:
            return None
        cut = len(head) + 4 + length
        data, self.buffer = self.buffer[:cut], self.buffer[cut:]
        return Message(data)

    def via(self, extra=""):
        Phone.serial += 1
        return f"SIP/2.0/{self.transport} {self.place};branch=z9hG4bK-odd-{Phone.serial}{extra};rport"

    def until(self, status, secs=5):
        """The answer of that status; provisional ones before it are passed over."""
        while True:
            message = self.take(secs)
            assert message.status is not None, f"{self.user} got {message.start}"
            if message.status == status:
                return message
            assert message.status < 200, message.text

    def respond(self, request, status, *headers, tag="answer", body=""):
        """Answers as a phone does, or without a tag."""
        to = request.first("to")
        if tag and ";tag=" not in to:
            to += f";tag={tag}"
        lines = [f"SIP/2.0 {status} Whatever"]
        lines += [f"Via: {via}" for via in request.all("via")]
        lines += [f"Record-Route: {route}" for route in request.all("record-route")]
        lines += [f"From: {request.first('from')}", f"To: {to}", f"Call-ID: {request.first('call-id')}"]
        lines += [f"CSeq: {request.first('cseq')}", *headers, f"Content-Length: {len(body)}"]
        self.send("\r\n".join(lines) + "\r\n\r\n" + body)

    def begin(self, build, other=None, **options):
        """Sends build(CSEQ, CREDENTIALS), where the second is a header line or nothing; again with credentials where they
        are asked for. Answers the final refusal or success, or nothing once the other phone has something."""
        self.send(build(1, ""))
        challenge = self.outcome(other)
        if challenge is None or challenge.status not in (401, 407):
            return challenge
        data = build(2, "CREDENTIALS\r\n")
        text = data if isinstance(data, str) else data.decode()
        if challenge.method == "INVITE":
            self.acknowledge_refusal(text, challenge)
        self.send(text.replace("CREDENTIALS", self.credentials(challenge, text, **options)))
        return self.outcome(other)

    def acknowledge_refusal(self, text, refusal):
        """Of the INVITE that was refused (RFC 3261 17.1.1.3)."""
        via = refusal.first("via")
        self.send(
            f"ACK {text.split()[1]} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: {refusal.first('from')}\r\n"
            f"To: {refusal.first('to')}\r\nCall-ID: {refusal.first('call-id')}\r\n"
            f"CSeq: {refusal.first('cseq').split()[0]} ACK\r\nContent-Length: 0\r\n\r\n"
        )

    def outcome(self, other):
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            if other and (other.is_ready() or select.select([other.socket], [], [], 0)[0]):
                return None
            if self.is_ready() or select.select([self.socket], [], [], 0.01)[0]:
                try:
                    message = self.take(0.2)
                except TimeoutError:
                    continue  # a 100
                if message.status is None:
                    raise AssertionError(f"{self.user} was asked: {message.text}")
                if message.status >= 200:
                    return message
        raise TimeoutError(f"no outcome for {self.user}")

    def credentials(self, challenge, text, algorithm="MD5", qop="auth", nc=1, nonce=None, line=None):
        """The header line that answers a challenge (RFC 7616 3.4), or that answers it wrongly."""
        offers = challenge.all("www-authenticate") + challenge.all("proxy-authenticate")
        offer = next(offer for offer in offers if f"algorithm={algorithm}" in offer)
        nonce = nonce or re.search(r'nonce="([^"]*)"', offer)[1]
        method, uri = text.split()[:2]
        digest = hashlib.md5 if algorithm == "MD5" else hashlib.sha256

        def hashed(words):
            return digest(words.encode()).hexdigest()

        secret = hashed(f"{self.user}:{self.domain}:{self.password}")
        what = f"{method}:{uri}"
        if qop == "auth-int":
            what += ":" + hashed(text.partition("\r\n\r\n")[2])
        count = f"{nc:08x}:c:{qop}:" if qop else ""
        response = hashed(f"{secret}:{nonce}:{count}{hashed(what)}")
        parts = [f'username="{self.user}"', f'realm="{self.domain}"', f'nonce="{nonce}"', f'uri="{uri}"']
        parts += [f'response="{response}"', f"algorithm={algorithm}"]
        if qop:
            parts += [f"qop={qop}", f"nc={nc:08x}", 'cnonce="c"']
        header = "Authorization" if challenge.status == 401 else "Proxy-Authorization"
        value = "Digest " + ", ".join(parts)
        return f"{header}: {line(value) if line else value}"

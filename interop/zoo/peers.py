"""Both ends of a connection, as no server of ours would be: old versions, weak keys, whatever certificate it is told."""

import hashlib
import re
import socket
import ssl
import tempfile
import threading
import uuid
from pathlib import Path

SECS_MAX = 5
SOURCE = "127.0.9.2"


def context(side, shown, versions=(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)):
    """Everything goes that OpenSSL can do at all; nobody is checked."""
    made = ssl.SSLContext(side)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.set_ciphers("ALL:@SECLEVEL=0")
    made.minimum_version, made.maximum_version = versions
    if shown:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "shown.pem"
            shown.write(file)
            made.load_cert_chain(file)
    return made


def message(sender, recipient, call_id, cseq=1, credentials=""):
    return (
        f"MESSAGE sip:{recipient} SIP/2.0\r\nVia: SIP/2.0/TLS zoo.example;branch=z9hG4bK{uuid.uuid4().hex}\r\n"
        f"From: <sip:{sender}>;tag=z\r\nTo: <sip:{recipient}>\r\nCall-ID: {call_id}\r\nCSeq: {cseq} MESSAGE\r\n"
        f"Max-Forwards: 70\r\n{credentials}Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
    ).encode()


class Ended(Exception):
    """The other side hung up, or said why in a TLS alert."""


class Unreached(Ended):
    """There was no connection at all, so that nothing was shown to anybody."""


class Line:
    """SIP messages over a stream, one after the other."""

    def __init__(self, stream):
        self.stream, self.unread = stream, b""
        stream.settimeout(SECS_MAX)

    def send(self, data):
        try:
            self.stream.sendall(data)
        except OSError as error:
            raise Ended(str(error)) from error

    def receive(self):
        try:
            while not (whole := self.cut()):
                data = self.stream.recv(65536)
                if not data:
                    raise Ended("it hung up")
                self.unread += data
        except OSError as error:
            raise Ended(str(error)) from error
        return whole

    def cut(self):
        head, found, rest = self.unread.partition(b"\r\n\r\n")
        if not found:
            return None
        size = int((re.search(rb"(?im)^(?:content-length|l)\s*:\s*(\d+)", head) or [0, 0])[1])
        if len(rest) < size:
            return None
        self.unread = rest[size:]
        return head.decode("utf-8", "replace")

    def response(self, call_id):
        """The final one to this call; requests and what is provisional are passed over."""
        while True:
            text = self.receive()
            if text.startswith("SIP/2.0") and text[8] != "1" and f"\n{'Call-ID'}: {call_id}".lower() in text.lower():
                return text

    def close(self):
        self.stream.close()


def verdict(response):
    """Status and word of a response."""
    word = re.search(r'(?im)^Warning:.*?"([a-z0-9-]+)', response)
    return int(response[8:11]), word[1] if word else ""


def reach(address, source=SOURCE):
    """A TCP connection; from an address of its own where the server is on loopback, too."""
    try:
        return socket.create_connection(address, SECS_MAX, (source, 0) if address[0].startswith("127.") else None)
    except OSError as error:
        raise Unreached(str(error)) from error


def connect(address, shown=None, server_name="sip.contoso.example", source=SOURCE, **wishes):
    plain = reach(address, source)
    try:
        made = context(ssl.PROTOCOL_TLS_CLIENT, shown, **wishes)
        return Line(made.wrap_socket(plain, server_hostname=server_name))
    except OSError as error:
        raise Ended(str(error)) from error


class Server:
    """Takes connections at an address, shows its certificate, answers every request with 200 and counts them."""

    def __init__(self, address, shown, **wishes):
        self.requests = 0
        self.listener = socket.create_server((address, 0))
        self.port = self.listener.getsockname()[1]
        self.context = context(ssl.PROTOCOL_TLS_SERVER, shown, **wishes)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=[stream], daemon=True).start()

    def serve(self, stream):
        try:
            line = Line(self.context.wrap_socket(stream, server_side=True))
            while True:
                request = line.receive()
                self.requests += 1
                kept = re.findall(r"(?im)^(?:via|from|to|call-id|cseq)\s*:.*$", request)
                line.send(("SIP/2.0 200 OK\r\n" + "\r\n".join(map(str.strip, kept)) + "\r\nContent-Length: 0\r\n\r\n").encode())
        except (Ended, OSError):
            return

    def close(self):
        self.listener.close()


class Phone:
    """A user of ours at a TCP connection, who shows the password when asked."""

    def __init__(self, address, user, password):
        self.user, self.password = user, password
        self.line = Line(socket.create_connection(address, SECS_MAX))

    def message(self, recipient):
        call_id = uuid.uuid4().hex
        self.line.send(message(self.user, recipient, call_id))
        response = self.line.response(call_id)
        challenge = re.search(r"(?im)^Proxy-Authenticate: Digest (.*algorithm=MD5.*)$", response)
        if response[8:11] == "407" and challenge:
            proof = self.proof(challenge[1], f"sip:{recipient}")
            self.line.send(message(self.user, recipient, call_id, 2, f"Proxy-Authorization: Digest {proof}\r\n"))
            response = self.line.response(call_id)
        return verdict(response)

    def proof(self, challenge, uri):
        given = dict(re.findall(r'(\w+)="?([^",]*)"?', challenge))
        md5 = lambda text: hashlib.md5(text.encode()).hexdigest()
        user = self.user.split("@")[0]
        secret = md5(f"{user}:{given['realm']}:{self.password}")
        answer = md5(f"{secret}:{given['nonce']}:00000001:zoo:auth:{md5(f'MESSAGE:{uri}')}")
        return (
            f'username="{user}", realm="{given["realm"]}", nonce="{given["nonce"]}", uri="{uri}", qop=auth, nc=00000001, '
            f'cnonce="zoo", response="{answer}", algorithm=MD5'
        )

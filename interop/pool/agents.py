"""Who speaks SIP here besides the servers: phones at a home, and a partner that keeps the first address that answered."""

import hashlib
import queue
import re
import select
import socket
import ssl
import threading
import time
import uuid

SECS_MAX = 6
SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"


def token():
    return uuid.uuid4().hex[:16]


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


class Message:
    def __init__(self, head, body):
        self.first, *lines = head.split("\r\n")
        self.fields = [line.split(":", 1) for line in lines if ":" in line]
        self.body = body

    def all(self, *names):
        return [value.strip() for name, value in self.fields if name.strip().lower() in names]

    def get(self, *names):
        return (self.all(*names) or [""])[0]

    @property
    def status(self):
        return int(self.first[8:11]) if self.first.startswith("SIP/2.0 ") else 0

    @property
    def method(self):
        return self.first.split(" ", 1)[0]

    def key(self):
        return self.get("call-id", "i"), self.get("cseq")


class Line:
    """SIP messages over one stream; a thread of its own hands on what comes. TLS is for one thread at a time."""

    def __init__(self, stream, take):
        self.stream, self.is_over, self.lock = stream, False, threading.Lock()
        threading.Thread(target=self.read, args=[take], daemon=True).start()

    def send(self, text):
        try:
            with self.lock:
                self.stream.settimeout(SECS_MAX)
                self.stream.sendall(text.encode())
            return True
        except OSError:
            self.is_over = True
            return False

    def receive(self):
        """What has come by now, which may be nothing; None at the end."""
        select.select([self.stream], [], [])
        data = b""
        with self.lock:
            self.stream.settimeout(0)
            try:
                while piece := self.stream.recv(65536):
                    data += piece
            except (BlockingIOError, ssl.SSLWantReadError):
                return data
        return data or None

    def read(self, take):
        unread = b""
        try:
            while (data := self.receive()) is not None:
                unread += data
                while True:
                    unread = unread.lstrip(b"\r\n")
                    head, found, rest = unread.partition(b"\r\n\r\n")
                    size = int((re.search(rb"(?im)^(?:content-length|l)\s*:\s*(\d+)", head) or [0, 0])[1])
                    if not found or len(rest) < size:
                        break
                    unread = rest[size:]
                    take(self, Message(head.decode("utf-8", "replace"), rest[:size].decode("utf-8", "replace")))
        except (OSError, ValueError):
            pass
        self.is_over = True
        self.stream.close()


class Dialog:
    """One side of a call; its routes and target are where requests within it go."""

    def __init__(self, call_id, local, remote, target, routes):
        self.call_id, self.local, self.remote, self.target, self.routes = call_id, local, remote, target, routes
        self.cseq = 1


def address_of(value):
    return re.search(r"<([^>]*)>", value)[1] if "<" in value else value.split(";")[0]


class Agent:
    """A user: sends requests and waits for their final answers, answers what comes, and remembers it."""

    def __init__(self, aor, contact, via):
        self.aor, self.contact, self.via = aor, contact, via
        self.waiting, self.heard, self.dialogs = {}, {}, {}
        self.lock = threading.Lock()

    def line(self):
        """The connection that requests go over; None where there is none to be had."""
        raise NotImplementedError

    def credentials(self, method, uri, answer=None):
        return ""

    # --- what comes

    def take(self, line, message):
        if message.status:
            waiter = self.waiting.get(message.key())
            if waiter and message.status >= 200:
                waiter.put(message)
        elif message.method == "INVITE" and "tag=" not in message.get("to", "t"):
            self.take_call(line, message)
        elif message.method != "ACK":
            if message.method == "MESSAGE":
                self.heard.setdefault(message.body, time.monotonic())
            if message.method == "BYE":
                self.dialogs.pop(message.get("call-id", "i"), None)
            self.answer(line, message)

    def answer(self, line, request, more="", body="", tag=""):
        kept = [f"{name}:{value}" for name, value in request.fields if name.strip().lower() in KEPT]
        if tag:
            kept = [field + f";tag={tag}" if field.lower().startswith(("to:", "t:")) else field for field in kept]
        kind = "Content-Type: application/sdp\r\n" if body else ""
        line.send("\r\n".join(["SIP/2.0 200 OK", *kept]) + f"\r\n{more}{kind}Content-Length: {len(body)}\r\n\r\n{body}")

    def take_call(self, line, invite):
        tag = token()
        routes = invite.all("record-route")
        made = Dialog(invite.get("call-id", "i"), f"{invite.get('to', 't')};tag={tag}", invite.get("from", "f"),
                      address_of(invite.get("contact", "m")), routes)
        self.dialogs[made.call_id] = made
        record = "".join(f"Record-Route: {route}\r\n" for route in routes)
        self.answer(line, invite, f"{record}Contact: <{self.contact}>\r\n", SDP, tag)

    # --- what goes

    def request(self, method, uri, to, call_id, cseq, more="", body="", frm=None, secs_max=SECS_MAX):
        """The final answer, or None where none came in time."""
        for number in [cseq, cseq + 1]:
            proof = self.credentials(method, uri)
            answer = self.exchange(method, uri, to, call_id, number, proof + more, body, frm, secs_max)
            if answer is None or answer.status not in (401, 407) or not self.credentials(method, uri, answer):
                break
        return answer

    def exchange(self, method, uri, to, call_id, cseq, more, body, frm, secs_max):
        waiter = self.waiting[(call_id, f"{cseq} {method}")] = queue.Queue()
        line = self.line()
        text = self.written(method, uri, to, call_id, cseq, more, body, frm)
        try:
            if line is None or not line.send(text):
                return None
            deadline = time.monotonic() + secs_max
            while (left := deadline - time.monotonic()) > 0:
                try:
                    return waiter.get(timeout=min(left, 0.1))
                except queue.Empty:
                    # Nothing comes over a connection that has ended; but it may come over another.
                    if line.is_over and left < secs_max - 2:
                        return None
            return None
        finally:
            self.waiting.pop((call_id, f"{cseq} {method}"), None)

    def written(self, method, uri, to, call_id, cseq, more="", body="", frm=None):
        frm = frm or f"<sip:{self.aor}>;tag={md5(call_id)[:8]}"
        kind = ("application/sdp" if body.startswith("v=0") else "text/plain") if body else ""
        return (
            f"{method} {uri} SIP/2.0\r\nVia: {self.via};branch=z9hG4bK{token()};rport\r\nFrom: {frm}\r\nTo: {to}\r\n"
            f"Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\nContact: <{self.contact}>\r\n{more}"
            + (f"Content-Type: {kind}\r\n" if body else "")
            + f"Content-Length: {len(body)}\r\n\r\n{body}"
        )

    def say(self, recipient, text):
        answer = self.request("MESSAGE", f"sip:{recipient}", f"<sip:{recipient}>", token(), 1, body=text)
        return answer.status if answer else 0

    def call(self, recipient):
        """A dialog that both sides have, or None."""
        call_id, uri = token(), f"sip:{recipient}"
        answer = self.request("INVITE", uri, f"<{uri}>", call_id, 1, body=SDP)
        self.last = call_id, answer and answer.first, answer and answer.get("warning")
        if answer is None or answer.status != 200:
            return None
        routes = answer.all("record-route")[::-1]
        made = Dialog(call_id, answer.get("from", "f"), answer.get("to", "t"), address_of(answer.get("contact", "m")), routes)
        made.cseq = int(answer.get("cseq").split()[0])
        line = self.line()
        if line is None or not line.send(self.within(made, "ACK", made.cseq)):
            return None
        self.dialogs[call_id] = made
        return made

    def within(self, dialog, method, cseq, more=""):
        routes = "".join(f"Route: {route}\r\n" for route in dialog.routes)
        return self.written(method, dialog.target, dialog.remote, dialog.call_id, cseq, routes + more, frm=dialog.local)

    def hang_up(self, dialog):
        """The status of the answer to BYE; 0 where none came."""
        routes = "".join(f"Route: {route}\r\n" for route in dialog.routes)
        cseq = dialog.cseq + 10
        answer = self.request("BYE", dialog.target, dialog.remote, dialog.call_id, cseq, routes, frm=dialog.local)
        self.dialogs.pop(dialog.call_id, None)
        self.last = dialog.call_id, answer and answer.first, answer and answer.get("warning")
        return answer.status if answer else 0


class Phone(Agent):
    """Signed in at its home over TCP, with a password."""

    def __init__(self, server, aor, password):
        super().__init__(aor, f"sip:{aor.split('@')[0]}@phone.invalid;transport=tcp", "SIP/2.0/TCP phone.invalid")
        self.password, self.challenge, self.count = password, None, 0
        self.home = Line(socket.create_connection(server, SECS_MAX), self.take)
        domain = aor.split("@")[1]
        answer = self.request("REGISTER", f"sip:{domain}", f"<sip:{aor}>", token(), 1, "Expires: 3600\r\n")
        if answer is None or answer.status != 200:
            raise RuntimeError(f"{aor} cannot register: {answer and answer.first}")

    def line(self):
        return self.home

    def credentials(self, method, uri, answer=None):
        with self.lock:
            if answer:
                offered = answer.all("www-authenticate", "proxy-authenticate")
                found = next((text for text in offered if "MD5" in text or "algorithm" not in text), None)
                self.challenge, self.count = found and dict(re.findall(r'(\w+)="?([^",]*)"?', found)), 0
                self.name = "Authorization" if answer.status == 401 else "Proxy-Authorization"
                return "yes" if found else ""
            if self.challenge is None:
                return ""
            self.count += 1
            given, user = self.challenge, self.aor.split("@")[0]
            secret = md5(f"{user}:{given['realm']}:{self.password}")
            proof = md5(f"{secret}:{given['nonce']}:{self.count:08x}:pool:auth:{md5(f'{method}:{uri}')}")
            return (
                f'{self.name}: Digest username="{user}", realm="{given["realm"]}", nonce="{given["nonce"]}", uri="{uri}", '
                f'qop=auth, nc={self.count:08x}, cnonce="pool", response="{proof}", algorithm=MD5\r\n'
            )


class KeepsFirst(Agent):
    """A partner's edge with one user, which asks the DNS once and keeps the first address that answered, whatever happens."""

    def __init__(self, aor, edge, listen, addresses, certificate, ca):
        super().__init__(aor, f"sip:{aor.split('@')[0]}@{edge};transport=tls", f"SIP/2.0/TLS {edge}")
        self.kept, self.opened, self.source = None, None, listen[0]
        self.addresses = addresses
        self.client = ssl.create_default_context(cafile=ca)
        self.client.load_cert_chain(*certificate)
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.load_cert_chain(*certificate)
        self.server.load_verify_locations(ca)
        self.server.verify_mode = ssl.CERT_REQUIRED
        self.listener = socket.create_server(listen)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.welcome, args=[stream], daemon=True).start()

    def welcome(self, stream):
        try:
            Line(self.server.wrap_socket(stream, server_side=True), self.take)
        except OSError:
            stream.close()

    def line(self):
        with self.lock:
            if self.opened is None or self.opened.is_over:
                self.opened = self.connect()
            return self.opened

    def connect(self):
        name, port, found = self.addresses()
        for address in [self.kept] if self.kept else found:
            try:
                plain = socket.create_connection((address, port), 2, (self.source, 0))
                stream = self.client.wrap_socket(plain, server_hostname=name)
                self.kept = address
                return Line(stream, self.take)
            except OSError:
                continue
        return None

    def close(self):
        # Closing alone leaves the address to the thread that waits in accept.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


KEPT = {"via", "v", "from", "f", "to", "t", "call-id", "i", "cseq"}

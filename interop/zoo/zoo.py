"""Shows every animal of the zoo to a server and says what it made of it: zoo.py COMITY [--results FILE] [--required] [--target HOST:PORT ...]

A case is wrong where the verdict is not the expected one (a false accept, a false refusal), or the word is not. Without a
target a Comity of its own is started; cases.py has the animals, peers.py how they connect. Another server is judged by whether it takes a request, in one direction only.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import authorities as make
import peers
from authorities import Authority, dns
from cases import ACCEPT, INBOUND, MISSING, OUTBOUND, REFUSE, Zoo
from lists import Lists
from names import NameServer

DNS, OURS, THEIRS = ("127.0.9.53", 53), "127.0.9.1", "127.0.9.3"
TLS_PORT, TCP_PORT = 5061, 5060
LIST_SECS_MAX = 20
UNREACHED = "none"
# A list is asked for within a second of the handshake that wants it.
SETTLE_SECS = 1.5
ALICE, PASSWORD = "alice@contoso.example", "a-word-of-alice"


# All of them write to one user, who answers nobody.
STRANGERS = "[federation.discovered]\nunanswered_per_hour = 10000\nunanswered_per_user = 1000\n"


class Comity:
    """A server of contoso.example that trusts the zoo's roots and lets everybody in who can prove a domain."""

    def __init__(self, program, folder, zoo, more="", crl="when-available"):
        self.program, self.config = program, folder / "comity.toml"
        Authority("Contoso's Root").issue(dns("sip.contoso.example", "contoso.example")).write(folder / "own.pem")
        (folder / "roots.pem").write_bytes(make.pem(zoo.root.der) + make.pem(zoo.rsa_root.der))
        self.config.write_text(
            'domains = ["contoso.example"]\nedge = "sip.contoso.example"\ndata = "data"\n'
            '[certificate]\nchain = "own.pem"\nkey = "own.pem"\nroots = "roots.pem"\n'
            f'[listen]\ntls = ["{OURS}:{TLS_PORT}"]\ntcp = ["{OURS}:{TCP_PORT}"]\n'
            f'[federation]\ndiscovery = true\ncrl = "{crl}"\n{STRANGERS}[dns]\nservers = ["{DNS[0]}:{DNS[1]}"]\n{more}'
        )
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen([program, "--config", self.config, "serve"], stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while self.run("status").returncode:
            if time.monotonic() > deadline or self.process.poll() is not None:
                sys.exit(f"the server did not start: {self.log.read_text()}")
            time.sleep(0.05)
        done = self.run("user", "add", ALICE, "--password-stdin", text=PASSWORD + "\n")
        assert not done.returncode, done.stderr

    def run(self, *arguments, text=None):
        command = [self.program, "--config", self.config, "--json", *arguments]
        return subprocess.run(command, capture_output=True, text=True, input=text, check=False)

    def trust(self, case, shown):
        done = self.run("partner", "trust", case.domain, *case.trust(shown))
        assert not done.returncode, done.stderr

    def reason(self, domain):
        """Of the newest refusal about the domain."""
        for decision in json.loads(self.run("partner", "show", domain).stdout)["decisions"]:
            if "Refused" in (outcome := decision["outcome"]):
                return outcome["Refused"]["reason"]
        return ""

    def end(self):
        self.process.terminate()
        self.process.wait(20)


class Keeper:
    """Shows one animal after the other to one server."""

    def __init__(self, address, plain, recipient, lists=None):
        self.address, self.plain, self.recipient, self.lists = address, plain, recipient, lists

    def inbound(self, case, shown):
        """Verdict and word for a request over a connection that the animal opens."""
        try:
            if case.kind in ("renegotiation", "early-data"):
                peers.reach(self.address).close()
                return getattr(self, case.kind.replace("-", "_"))(case, shown)
            if case.kind == "tcp":
                line = peers.Line(peers.reach(self.plain))
            else:
                line = peers.connect(self.address, shown, **case.wishes)
            return self.speak(line, case)
        except peers.Unreached as error:
            return UNREACHED, "tcp", str(error)
        except peers.Ended as error:
            return REFUSE, "tls", str(error)

    def speak(self, line, case):
        try:
            answer = self.ask(line, f"eve@{case.domain}")
            if case.kind == "meanwhile":
                assert answer[0] == ACCEPT or self.is_fetched(case), answer
                answer = self.ask_until_refused(line, case)
            others = {"second-domain": "eve@dns-domain.example", "our-domain": "bob@contoso.example",
                      "own-second-domain": f"eve@second.{case.domain}"}
            if case.kind in others:
                if answer[0] == REFUSE:
                    return *answer[:2], "already the first request"
                answer = self.ask(line, others[case.kind])
            return answer
        finally:
            line.close()

    def ask_until_refused(self, line, case):
        """On the same connection, while the list is on its way."""
        deadline = time.monotonic() + LIST_SECS_MAX
        while (answer := self.ask(line, f"eve@{case.domain}"))[0] == ACCEPT and time.monotonic() < deadline:
            time.sleep(0.2)
        return answer

    def is_fetched(self, case):
        return self.lists.asked.get(case.fetches, 0) > 0

    def wait_for_list(self, case):
        deadline = time.monotonic() + LIST_SECS_MAX
        while case.fetches and not self.is_fetched(case):
            if time.monotonic() > deadline:
                sys.exit(f"{case.name}: nobody asked for {case.fetches}")
            time.sleep(0.05)
        # What was fetched is read, too.
        time.sleep(0.3 if case.fetches else 0)

    def ask(self, line, sender):
        call_id = uuid.uuid4().hex
        line.send(peers.message(sender, self.recipient, call_id))
        status, word = peers.verdict(line.response(call_id))
        # Whoever says that there is no such user, or that the user is away, has taken the request.
        is_taken = status < 300 or status in (404, 480)
        return (ACCEPT, str(status), "") if is_taken else (REFUSE, word or str(status), "")

    def renegotiation(self, case, shown):
        request = peers.message(f"eve@{case.domain}", self.recipient, uuid.uuid4().hex)
        told = self.openssl(shown, b"R\n", request, "-tls1_2")
        is_heard = b"SIP/2.0 2" in told.split(b"RENEGOTIATING")[-1]
        return (ACCEPT, "200", "") if is_heard else (REFUSE, "tls", "it does not begin anew")

    def early_data(self, case, shown):
        with tempfile.TemporaryDirectory() as folder:
            session, request = Path(folder) / "session", Path(folder) / "request"
            request.write_bytes(peers.message(f"eve@{case.domain}", self.recipient, uuid.uuid4().hex))
            self.openssl(shown, b"", b"", "-tls1_3", "-sess_out", str(session))
            if not session.exists():
                return REFUSE, "tls", "it gives no session"
            told = self.openssl(shown, b"", b"", "-tls1_3", "-sess_in", str(session), "-early_data", str(request))
        is_taken = b"Early data was accepted" in told
        return (ACCEPT, "early data", "") if is_taken else (REFUSE, "tls", "early data is not taken")

    def openssl(self, shown, first, then, *options):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "shown.pem"
            shown.write(file)
            command = ["openssl", "s_client", "-connect", "%s:%d" % self.address, "-cert", str(file), "-key", str(file),
                       "-servername", "sip.contoso.example", *options]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            try:
                for part in (first, then, b""):
                    time.sleep(0.4)
                    process.stdin.write(part)
                    process.stdin.flush()
            except OSError:
                pass  # it ended by itself, which is what is asked here
            try:
                return process.communicate(timeout=2)[0]
            except subprocess.TimeoutExpired:
                process.kill()
                return process.communicate()[0]


def outbound(case, shown, phone, names):
    """Verdict and word for a request that we are to send to the animal."""
    wishes = {key: value for key, value in case.wishes.items() if key == "versions"}
    server = peers.Server(THEIRS, shown, **wishes)
    names.federates(case.domain, case.edge, server.port, THEIRS)
    try:
        status, word = phone.message(f"bob@{case.domain}")
    finally:
        server.close()
    if status < 300 and server.requests:
        return ACCEPT, str(status), ""
    assert not server.requests, f"{case.name}: it was sent the request, and {status} came back"
    return REFUSE, word or str(status), ""


def judge(expected, got, reason):
    """What is wrong, or nothing."""
    verdict, words = expected
    # Whoever was shown nothing has judged nothing.
    if got[0] == UNREACHED:
        return "NOT REACHED"
    if got[0] != verdict:
        return "FALSE ACCEPT" if got[0] == ACCEPT else "FALSE REFUSAL"
    named = f"{got[1]} {reason}"
    if words and not any(word in named or (word == "tls" and "TLS" in named) for word in words):
        return "OTHER REASON"
    return ""


def visit_comity(program, zoo, folder, is_required):
    names = NameServer(DNS)
    server = Comity(program, folder, zoo, crl="required" if is_required else "when-available")
    lists = Lists()
    lists.bodies = zoo.lists
    keeper = Keeper((OURS, TLS_PORT), (OURS, TCP_PORT), ALICE, lists)
    phone = peers.Phone((OURS, TCP_PORT), ALICE, PASSWORD)
    try:
        for case in zoo.strict() if is_required else zoo.cases:
            shown = case.show(case.domain, case.edge)
            names.federates(case.domain, case.edge, 9, THEIRS)
            if case.trust:
                server.trust(case, shown)
            if is_required:
                # Whoever is new is refused until the list is there; the verdict is that of the second time.
                first = keeper.inbound(case, shown)
                assert first[0] == REFUSE or case.name == "list-https" or keeper.is_fetched(case), (case.name, first)
                keeper.wait_for_list(case)
                time.sleep(SETTLE_SECS)
            for direction, expected in ((INBOUND, case.inbound), (OUTBOUND, case.outbound)):
                if not expected:
                    continue
                if direction == INBOUND:
                    got = keeper.inbound(case, shown)
                    keeper.wait_for_list(case)
                else:
                    server.run("partner", "reset", case.domain)
                    got = outbound(case, shown, phone, names)
                reason = server.reason(case.domain) if got[0] == REFUSE and got[1] not in ("tls", MISSING) else got[2]
                yield case, direction, expected, got, reason
    finally:
        server.end()


def visit_target(address, recipient, zoo):
    keeper = Keeper(address, (address[0], TCP_PORT), recipient)
    for case in zoo.cases:
        if case.inbound and not case.trust and not case.fetches and case.kind != "tcp" and case.name != "revoked":
            got = keeper.inbound(case, case.show(case.domain, case.edge))
            yield case, INBOUND, (case.inbound[0], ()), got, got[2]


def word(got, reason):
    """The word that tells most: outwards the public one is the same for every certificate."""
    inner = [part.strip() for part in reason.split(":")]
    return next((part for part in inner if part.startswith("certificate-")), got[1])


def main():
    options = argparse.ArgumentParser()
    options.add_argument("comity", nargs="?", help="the program, which is started where there is no target")
    options.add_argument("--results", type=Path, help="write them there, for table.py")
    options.add_argument("--required", action="store_true", help="those with lists of what was revoked, where a list is required")
    options.add_argument("--only", metavar="NAME,NAME", help="these cases alone")
    options.add_argument("--target", type=host_and_port, metavar="HOST:PORT", help="another server, where it listens for TLS, which trusts the authorities in --folder")
    options.add_argument("--to", default=ALICE, help="whom to write to at the target")
    options.add_argument("--folder", type=Path, help="keep the roots, and the list of partners, there")
    options.add_argument("--wait-for", type=Path, help="begin when this file is there")
    wanted = options.parse_args()
    if not wanted.target and not wanted.comity:
        options.error("name a program to start, or --target HOST:PORT")
    with tempfile.TemporaryDirectory() as temporary:
        folder = wanted.folder or Path(temporary)
        zoo = Zoo(folder)
        if wanted.only:
            only = wanted.only.split(",")
            zoo.cases = [case for case in zoo.cases if case.name in only]
            if len(zoo.cases) != len(set(only)):
                options.error(f"--only names a case that there is not: {wanted.only}")
        if wanted.target:
            describe(zoo, folder)
            while wanted.wait_for and not wanted.wait_for.exists():
                time.sleep(0.1)
            check_reached(wanted.target)
            visits = visit_target(wanted.target, wanted.to, zoo)
        else:
            visits = visit_comity(wanted.comity, zoo, folder, wanted.required)
        sys.exit(tell(visits, wanted.results))


def host_and_port(text):
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def check_reached(address):
    """Ends with an error where not even TCP leads there."""
    try:
        peers.reach(address).close()
    except peers.Unreached as error:
        sys.exit("error: no TCP connection to %s port %d: %s\n" % (*address, error) +
                 "next: check that the server runs and listens for TLS at that address (on its machine: ss -ltn), that --target "
                 "names the host and port as they are seen from here, and that no firewall is between")


def describe(zoo, folder):
    (folder / "roots.pem").write_bytes(make.pem(zoo.root.der) + make.pem(zoo.rsa_root.der))
    # Its list has one name for each partner: the edge's only where the certificate names no domain.
    by_edge = ("dns-edge", "uri-and-edge", "uri-other-beside-edge")
    partners = [f"{case.domain} {case.edge if case.name in by_edge else case.domain}" for case in zoo.cases]
    (folder / "partners").write_text("\n".join(partners) + "\n")


def tell(visits, results):
    rows, wrong = [], 0
    for case, direction, expected, got, reason in visits:
        mistake = judge(expected, got, reason)
        wrong += bool(mistake)
        rows.append((case, direction, expected, got, reason, mistake))
        print(f"{mistake or 'ok':13} {direction:3} {case.name:24} {expected[0]:6} got {got[0]:6} {word(got, reason)}", flush=True)
        if mistake:
            print(f"{'':17} {reason or got}")
    if results:
        results.write_text(json.dumps([[case.name, case.what, direction, expected[0], got[0], word(got, reason), mistake]
                                       for case, direction, expected, got, reason, mistake in rows]))
    print(f"{len(rows)} verdicts on {len({row[0].name for row in rows})} cases, {wrong} of them wrong")
    return 1 if wrong or not rows else 0


if __name__ == "__main__":
    main()

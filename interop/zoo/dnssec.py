"""What DNSSEC adds: dnssec.py COMITY. Signed zones at nsd, and partners whom nothing but the DNS vouches for, or not even it.

nsd holds the root, a signed zone below it, one that is not signed, and one whose signatures are wrong.
"""

import hashlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import peers
import zoo as visits
from authorities import Authority, dns
from cases import ACCEPT, INBOUND, OUTBOUND, Case, Zoo, accept, refuse, self_signed

SOA = "@ 300 IN SOA ns.example. nobody.example. 1 3600 900 86400 60\n@ 300 IN NS ns.example.\n"


def tlsa(usage, selector, der):
    certificate = x509.load_der_x509_certificate(der)
    about = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) if selector else der
    return f"{usage} {selector} 1 {hashlib.sha256(about).hexdigest()}"


class Signer:
    """Zones in a folder, signed by ldns, served by nsd."""

    def __init__(self, folder):
        self.folder, self.zones = folder, []

    def tool(self, *command):
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def zone(self, origin, records, signed=True):
        """Its DS records, where it is signed."""
        file = self.folder / (origin.strip(".") or "root")
        file.write_text(f"$ORIGIN {origin}\n$TTL 300\n{SOA}{records}")
        ds = ""
        if signed:
            keys = [self.tool("ldns-keygen", "-a", "ECDSAP256SHA256", *kind, origin) for kind in (["-k"], [])]
            self.tool("ldns-signzone", "-f", f"{file.name}.signed", file.name, *keys)
            ds = (self.folder / f"{keys[0]}.ds").read_text()
            self.key = (self.folder / f"{keys[0]}.key").read_text()
            file = self.folder / f"{file.name}.signed"
        self.zones.append((origin, file))
        return ds

    def serve(self):
        settings = self.folder / "nsd.conf"
        zones = "".join(f'zone:\n  name: "{origin}"\n  zonefile: "{file}"\n' for origin, file in self.zones)
        settings.write_text(
            f'server:\n  ip-address: {visits.DNS[0]}@{visits.DNS[1]}\n  username: ""\n  pidfile: "{self.folder}/pid"\n  database: ""\n'
            f'  zonelistfile: "{self.folder}/zones"\n  xfrdfile: "{self.folder}/xfrd"\n  zonesdir: "{self.folder}"\n'
            f"remote-control:\n  control-enable: no\n{zones}"
        )
        self.process = subprocess.Popen(["nsd", "-d", "-c", str(settings)], stderr=(self.folder / "nsd.log").open("w"))
        time.sleep(1)
        if self.process.poll() is not None:
            sys.exit((self.folder / "nsd.log").read_text())


def cases(root, stranger):
    """(case, the zone of its domain, the host that it leads to, its TLSA record) for each."""
    anywhere = "sip.hoster.example"
    lonely = self_signed("x.example")
    by_stranger = stranger.issue(dns(anywhere))
    followed = type(by_stranger)([*by_stranger.chain, stranger.der], by_stranger.key)
    public = root.issue(dns(anywhere))
    other = self_signed("y.example")
    rows = [
        ("secure", "a validated SRV record leads to a host outside of the domain, which the certificate names", "example", public, None, accept()),
        ("insecure", "the same from a zone that is not signed", "open", public, None, refuse("certificate-name")),
        ("forged", "the same from a zone whose signatures are wrong", "bogus", public, None, refuse("certificate-name", "no-route")),
        ("dane-ee", "self-signed, with a TLSA record of its key (3 1 1)", "example", lonely, tlsa(3, 1, lonely.chain[0]), accept()),
        ("dane-ee-whole", "the same of the whole certificate (3 0 1)", "example", lonely, tlsa(3, 0, lonely.chain[0]), accept()),
        ("dane-ta", "by nobody's authority, with a TLSA record of that (2 0 1)", "example", followed, tlsa(2, 0, stranger.der), accept()),
        ("dane-ta-not-sent", "the same, but the authority is not sent along", "example", by_stranger, tlsa(2, 0, stranger.der), refuse("certificate-untrusted")),
        ("dane-other", "self-signed, with a TLSA record of another", "example", lonely, tlsa(3, 1, other.chain[0]), refuse("certificate-untrusted")),
        ("dane-none", "self-signed, without any", "example", lonely, None, refuse("certificate-untrusted")),
        ("dane-insecure", "self-signed, its record is in a zone that is not signed", "open", lonely, tlsa(3, 1, lonely.chain[0]), refuse("certificate-untrusted")),
        ("dane-forged", "the same in a zone whose signatures are wrong", "bogus", lonely, tlsa(3, 1, lonely.chain[0]), refuse("certificate-untrusted", "no-route")),
        ("pkix-ee", "a public authority's, with a TLSA record of it (1 0 1)", "example", public, tlsa(1, 0, public.chain[0]), accept()),
    ]
    for name, what, top, shown, record, expected in rows:
        # Where there is a record, each has a host of its own, within the zone of its domain; the SRV record's leads there.
        host = f"{name}.hosts.{top}" if record and not record.startswith(("2", "1")) else anywhere
        yield Case(name, what, lambda d, e, shown=shown: shown, expected, expected, f"{name}.{top}", host), record


def publish(signer, animals, ports):
    records = {"example": f"ns.example. IN A {visits.DNS[0]}\nsip.hoster.example. IN A {visits.THEIRS}\n", "open": "", "bogus": ""}
    for case, record in animals:
        top = case.domain.rsplit(".", 1)[1]
        records[top] += f"_sipfederationtls._tcp.{case.domain}. IN SRV 1 1 {ports[case.name]} {case.edge}.\n"
        if not case.edge.endswith("hoster.example"):
            records[top] += f"{case.edge}. IN A {visits.THEIRS}\n"
        if record:
            records["example" if case.edge.endswith("hoster.example") else top] += (
                f"_{ports[case.name]}._tcp.{case.edge}. IN TLSA {record}\n")
    delegations = "".join(f"{top}. IN NS ns.example.\n" for top in records)
    delegations += signer.zone("example.", records["example"]) + signer.zone("bogus.", records["bogus"])
    signer.zone("open.", records["open"], signed=False)
    spoil(signer.folder / "bogus.signed")
    signer.zone(".", delegations)
    (signer.folder / "root.key").write_text(signer.key)


def spoil(file):
    """Other weights than those that were signed."""
    signed = file.read_text()
    spoilt = signed.replace("\tSRV\t1 1 ", "\tSRV\t1 2 ")
    assert spoilt != signed
    file.write_text(spoilt)


def visit(program, folder):
    root = Zoo(folder)
    animals = list(cases(root.root, root.stranger))
    servers = {case.name: peers.Server(visits.THEIRS, case.show("", "")) for case, _ in animals}
    signer = Signer(folder)
    publish(signer, animals, {name: server.port for name, server in servers.items()})
    signer.serve()
    lines = 'dnssec = true\ntrust_anchor = "root.key"\n'
    server = visits.Comity(program, folder, root, lines)
    keeper = visits.Keeper((visits.OURS, visits.TLS_PORT), None, visits.ALICE)
    phone = peers.Phone((visits.OURS, visits.TCP_PORT), visits.ALICE, visits.PASSWORD)
    try:
        for case, _ in animals:
            yield case, INBOUND, case.inbound, *told(server, case, keeper.inbound(case, case.show("", "")))
            server.run("partner", "reset", case.domain)
            status, word = phone.message(f"bob@{case.domain}")
            assert (status < 300) == (servers[case.name].requests > 0)
            got = (ACCEPT, str(status), "") if status < 300 else ("refuse", word or str(status), "")
            yield case, OUTBOUND, case.outbound, *told(server, case, got)
    finally:
        server.end()
        signer.process.terminate()
        signer.process.wait(10)


def told(server, case, got):
    return got, "" if got[0] == ACCEPT else server.reason(case.domain)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(visits.tell(visit(sys.argv[1], Path(temporary)), None))

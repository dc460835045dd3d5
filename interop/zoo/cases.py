"""The animals: what each shows, and what is to become of it when it connects to us and when we connect to it."""

import ssl
from dataclasses import dataclass, field, replace

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

import authorities as make
import lists
from authorities import DAY, NOW, Authority, Eku, Shown, dns, uris

ACCEPT, REFUSE = "accept", "refuse"
NAME, UNTRUSTED, EXPIRED = "certificate-name", "certificate-untrusted", "certificate-expired"
PURPOSE, PIN, MISSING = "certificate-purpose", "certificate-pin-changed", "certificate-missing"
REVOKED = "certificate-revoked"
TLS = "tls"  # the handshake itself ends
INBOUND, OUTBOUND, BOTH = "in", "out", "both"
OLD = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1)
OLD_TOO = (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1)
ONLY_1_2 = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
ONLY_1_3 = (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3)


@dataclass
class Case:
    name: str
    what: str
    show: object  # (domain, edge) -> Shown or None
    inbound: tuple = None  # (verdict, words); None: it does not come this way
    outbound: tuple = None
    domain: str = ""
    edge: str = ""
    wishes: dict = field(default_factory=dict)  # for the TLS context, or the client
    trust: object = None  # (shown) -> arguments of "partner trust"
    kind: str = "plain"
    fetches: str = ""  # the list that is to have been fetched before the next request


def accept():
    return (ACCEPT, ())


def refuse(*words):
    return (REFUSE, words)


class Zoo:
    """Every case. `root` is trusted, `stranger` by nobody, `own` by those partners that are told to."""

    def __init__(self, folder):
        self.folder, self.cases, self.lists = folder, [], {}
        self.root = Authority("Zoo Root")
        self.rsa_root = Authority("Zoo RSA Root", key=make.rsa_key(2048))
        self.stranger = Authority("Nobody's Root")
        self.twin = Authority("Zoo Root")
        self.own = Authority("A Partner's Own Root")
        self.middle = Authority("Zoo Intermediate", self.root)
        self.names()
        self.uris()
        self.purposes()
        self.times()
        self.chains()
        self.limits()
        self.keys()
        self.pins()
        self.revocation()
        self.handshakes()
        self.connections()

    def add(self, name, what, show, inbound, outbound="same", **more):
        outbound = inbound if outbound == "same" else outbound
        domain = more.pop("domain", "") or f"{name}.example"
        edge = more.pop("edge", "") or f"sip.{domain}"
        self.cases.append(Case(name, what, show, inbound, outbound, domain, edge, **more))

    def names(self):
        issue = self.root.issue
        no = refuse(NAME)
        self.add("dns-domain", "DNS name is the SIP domain", lambda d, e: issue(dns(d)), accept())
        self.add("dns-edge", "DNS name is an SRV target one label below the domain", lambda d, e: issue(dns(e)), accept())
        self.add("dns-both", "both", lambda d, e: issue(dns(e, d)), accept())
        self.add("dns-wrong", "DNS name of somebody else", lambda d, e: issue(dns("sip.other.example")), no)
        self.add("dns-sibling", "a host in the domain that no SRV record names", lambda d, e: issue(dns("www." + d)), no)
        self.add("dns-deep", "an SRV target two labels below the domain", lambda d, e: issue(dns(e)), no,
                 edge="a.b.dns-deep.example")
        self.add("dns-outside", "an SRV target outside of the domain, forged or not", lambda d, e: issue(dns(e)), no,
                 edge="sip.attacker.example")
        self.add("dns-parent", "the parent of the domain", lambda d, e: issue(dns("parent.example")), no,
                 domain="sub.parent.example")
        self.add("dns-child", "a subdomain in the domain's place", lambda d, e: issue(dns("sub." + d)), no)
        self.add("dns-suffix", "a name that only ends like the domain", lambda d, e: issue(dns("evil" + d)), no)
        self.add("dns-prefix", "a name that only begins like it", lambda d, e: issue(dns(d + ".evil.example")), no)
        self.add("wildcard", "a wildcard over the edge", lambda d, e: issue(dns("*." + d)), no)
        self.add("wildcard-top", "a wildcard over the domain", lambda d, e: issue(dns("*.example")), no)
        self.add("wildcard-partial", "a wildcard within a label", lambda d, e: issue(dns("s*." + d)), no)
        self.add("wildcard-and-domain", "a wildcard, and the domain beside it", lambda d, e: issue(dns("*." + d, d)), accept())
        self.add("cn-only", "only the common name is the domain", lambda d, e: issue(None, subject=d), no)
        self.add("cn-beside-other", "common name right, DNS name wrong",
                 lambda d, e: issue(dns("other.example"), subject=d), no)
        self.add("cn-wrong-dns-right", "common name wrong, DNS name right",
                 lambda d, e: issue(dns(d), subject="other.example"), accept())
        self.add("trailing-dot", "a dot at the end of the DNS name", lambda d, e: issue(dns(d + ".")), no)
        self.add("leading-dot", "a dot before it", lambda d, e: issue(dns("." + d)), no)
        self.add("upper-case", "the DNS name in upper case", lambda d, e: issue(dns(d.upper())), accept())
        self.add("idna", "an internationalised domain in A-labels", lambda d, e: issue(dns(d)), accept(),
                 domain="xn--bcher-kva.example")
        self.add("idna-upper", "its A-labels in mixed case", lambda d, e: issue(dns("XN--Zebra-KVA.example")), accept(),
                 domain="xn--zebra-kva.example")
        self.add("idna-utf8", "its U-labels as UTF-8, which no DNS name may be",
                 lambda d, e: issue(make.raw_names((2, "bücher2.example".encode()))), refuse(NAME, UNTRUSTED),
                 domain="xn--bcher2-kva.example")
        self.add("ip-address", "only the IP address", lambda d, e: issue(make.addresses("127.0.9.3")), no)
        self.add("ip-as-dns", "the IP address as a DNS name", lambda d, e: issue(dns("127.0.9.3")), no)
        self.add("nul-in-dns", "a NUL after the domain", lambda d, e: issue(make.raw_names((2, d.encode() + b"\0.evil.example"))),
                 refuse(NAME, UNTRUSTED))
        self.add("nul-in-cn", "a NUL in the common name", lambda d, e: issue(None, subject=d + "\0.evil.example"), no)
        self.add("space-in-dns", "a space after the domain", lambda d, e: issue(make.raw_names((2, d.encode() + b" "))),
                 refuse(NAME, UNTRUSTED))
        self.add("newline-in-dns", "a line break and the domain", lambda d, e: issue(make.raw_names((2, b"x\r\n" + d.encode()))),
                 refuse(NAME, UNTRUSTED))
        self.add("empty-dns", "an empty DNS name", lambda d, e: issue(make.raw_names((2, b""))), refuse(NAME, UNTRUSTED))
        self.add("no-names", "no subject alternative name", lambda d, e: issue(None), no)
        self.add("email", "a mail address in the domain", lambda d, e: issue(
            x509.SubjectAlternativeName([x509.RFC822Name("eve@" + d)])), no)
        self.add("many-names", "900 names, the right one last",
                 lambda d, e: issue(dns(*[f"n{i}.other.example" for i in range(900)], d)), accept())
        self.add("names-critical", "the names are a critical extension", lambda d, e: issue(dns(d), names_critical=True), accept())

    def uris(self):
        issue, no = self.root.issue, refuse(NAME)
        self.add("uri-domain", "URI sip:domain", lambda d, e: issue(uris("sip:" + d)), accept())
        self.add("uri-upper", "the same in upper case", lambda d, e: issue(uris("SIP:" + d.upper())), accept())
        self.add("uri-and-edge", "URI sip:domain, DNS name of the edge", lambda d, e: issue(uris("sip:" + d, hosts=[e])), accept())
        self.add("uri-port", "URI with a port and parameters", lambda d, e: issue(uris(f"sip:{d}:5061;transport=tls")), accept())
        self.add("uri-user", "URI of a user of the domain", lambda d, e: issue(uris("sip:eve@" + d)), no)
        self.add("uri-user-beside-dns", "URI of a user, and the domain as DNS name",
                 lambda d, e: issue(uris("sip:eve@" + d, hosts=[d])), no)
        self.add("uri-other-beside-dns", "URI of another domain, and this one as DNS name",
                 lambda d, e: issue(uris("sip:other.example", hosts=[d])), no)
        self.add("uri-other-beside-edge", "URI of another domain, DNS name of an SRV target in this one",
                 lambda d, e: issue(uris("sip:other.example", hosts=[e])), accept())
        self.add("uri-sips", "only a sips URI", lambda d, e: issue(uris("sips:" + d)), no)
        self.add("uri-http", "only an https URI", lambda d, e: issue(uris(f"https://{d}/")), no)
        self.add("uri-nul", "a NUL in the URI", lambda d, e: issue(make.raw_names((6, b"sip:" + d.encode() + b"\0.evil.example"))),
                 refuse(NAME, UNTRUSTED))
        self.add("uri-subdomain", "URI of a subdomain", lambda d, e: issue(uris("sip:sub." + d)), no)
        self.add("uri-two", "URIs of two domains, the right one second", lambda d, e: issue(uris("sip:other.example", "sip:" + d)), accept())

    def purposes(self):
        def one(*purposes):
            return lambda d, e: self.root.issue(dns(d), purposes=list(purposes))

        no = refuse(PURPOSE)
        self.add("purpose-server", "serverAuth alone", one(Eku.SERVER_AUTH), accept())
        self.add("purpose-client", "clientAuth alone", one(Eku.CLIENT_AUTH), accept(), no)
        self.add("purpose-both", "serverAuth and clientAuth", one(Eku.SERVER_AUTH, Eku.CLIENT_AUTH), accept())
        self.add("purpose-sip", "id-kp-sipDomain alone (RFC 5924)", one(make.SIP_DOMAIN), accept())
        self.add("purpose-any", "anyExtendedKeyUsage", one(make.ANY_PURPOSE), accept())
        self.add("purpose-none", "none stated", lambda d, e: self.root.issue(dns(d), purposes=None), accept())
        self.add("purpose-code", "codeSigning alone", one(Eku.CODE_SIGNING), no)
        self.add("purpose-mail", "emailProtection alone", one(Eku.EMAIL_PROTECTION), no)
        self.add("purpose-ocsp", "OCSPSigning alone", one(Eku.OCSP_SIGNING), no)
        clients = Authority("Zoo Clients", self.root, extensions=[(x509.ExtendedKeyUsage([Eku.CLIENT_AUTH]), False)])
        coders = Authority("Zoo Coders", self.root, extensions=[(x509.ExtendedKeyUsage([Eku.CODE_SIGNING]), False)])
        self.add("authority-for-clients", "serverAuth by an authority for clients only",
                 lambda d, e: clients.issue(dns(d)), refuse(PURPOSE, UNTRUSTED))
        self.add("authority-for-code", "serverAuth by an authority for code only",
                 lambda d, e: coders.issue(dns(d)), refuse(PURPOSE, UNTRUSTED))

    def times(self):
        def between(begin, end, by=self.root):
            return lambda d, e: by.issue(dns(d), begin=NOW + begin, end=NOW + end)

        self.add("expired", "expired a year ago", between(-800 * DAY, -365 * DAY), refuse(EXPIRED))
        self.add("expired-just-now", "expired a minute ago", between(-90 * DAY, -DAY / 1440), refuse(EXPIRED))
        self.add("not-yet-valid", "valid from tomorrow on", between(DAY, 90 * DAY), refuse(UNTRUSTED))
        self.add("never-valid", "it ends before it begins", between(DAY, 2 * DAY), refuse(UNTRUSTED))
        self.add("expires-soon", "expires within the hour", between(-90 * DAY, DAY / 24), accept())
        old = Authority("Zoo Expired Intermediate", self.root, begin=NOW - 90 * DAY, end=NOW - DAY)
        self.add("intermediate-expired", "its intermediate has expired", lambda d, e: old.issue(dns(d)), refuse(EXPIRED))
        new = Authority("Zoo Future Intermediate", self.root, begin=NOW + DAY, end=NOW + 90 * DAY)
        self.add("intermediate-not-yet", "its intermediate is not valid yet", lambda d, e: new.issue(dns(d)), refuse(UNTRUSTED))

    def chains(self):
        no = refuse(UNTRUSTED)
        leaf = self.middle.issue
        lower = Authority("Zoo Lower Intermediate", self.middle)
        self.add("intermediate", "one intermediate, sent along", lambda d, e: leaf(dns(d)), accept())
        self.add("two-intermediates", "two of them", lambda d, e: lower.issue(dns(d)), accept())
        self.add("missing-intermediate", "its intermediate is not sent", lambda d, e: own_alone(leaf(dns(d))), no)
        self.add("wrong-order", "its intermediates upside down", lambda d, e: upside_down(lower.issue(dns(d))), accept())
        self.add("root-sent", "its root is sent, too", lambda d, e: followed(leaf(dns(d)), self.root.der), accept())
        self.add("unrelated-sent", "certificates of others are sent, too",
                 lambda d, e: followed(leaf(dns(d)), self.stranger.der, self.own.der), accept())
        self.add("twice-sent", "its intermediate is sent ten times", lambda d, e: followed(leaf(dns(d)), *[self.middle.der] * 9), accept())
        self.add("self-signed", "self-signed", lambda d, e: self_signed(d), no)
        self.add("unknown-root", "an authority that nobody knows", lambda d, e: self.stranger.issue(dns(d)), no)
        self.add("unknown-root-sent", "and its root is sent, too",
                 lambda d, e: followed(self.stranger.issue(dns(d)), self.stranger.der), no)
        self.add("root-s-twin", "an authority that has the name of ours", lambda d, e: followed(self.twin.issue(dns(d)), self.twin.der), no)
        self.add("spoilt-signature", "one bit of the authority's signature is wrong", lambda d, e: make.spoilt(leaf(dns(d))), no)
        strange = Authority("Zoo Crossing", self.stranger)
        known = Authority("Zoo Crossing", self.root, key=strange.key)
        self.add("cross-signed", "its intermediate is signed by a stranger and by ours; both are sent",
                 lambda d, e: followed(strange.issue(dns(d)), known.der), accept())
        self.add("cross-signed-half", "only the stranger's half is sent", lambda d, e: strange.issue(dns(d)), no)

    def limits(self):
        no = refuse(UNTRUSTED)
        plain = Authority("Zoo No Authority", self.root, ca=False, signs=None)
        self.add("leaf-signs", "signed by a certificate that is no authority's (CA:FALSE)", lambda d, e: plain.issue(dns(d)), no)
        bare = Authority("Zoo Without Signing", self.root, signs=False)
        self.add("no-cert-sign", "signed by an authority whose key may not sign certificates", lambda d, e: bare.issue(dns(d)), no)
        self.add("authority-s-own", "it is an authority's own certificate (CA:TRUE)", lambda d, e: self.root.issue(
            dns(d), extensions=[(x509.BasicConstraints(True, None), True)]), no)
        short = Authority("Zoo Short Path", self.root, path_length=0)
        below = Authority("Zoo Beyond The Path", short)
        self.add("path-length", "one authority more than the path length allows", lambda d, e: below.issue(dns(d)), no)
        self.add("path-length-kept", "as many as it allows", lambda d, e: short.issue(dns(d)), accept())

        def constrained(name, what, wanted, **subtrees):
            trees = {key: [x509.DNSName(host) for host in hosts] for key, hosts in subtrees.items()}
            limit = x509.NameConstraints(trees.get("permitted"), trees.get("excluded"))
            limited = Authority("Zoo " + name, self.root, extensions=[(limit, True)])
            self.add(name, what, lambda d, e: limited.issue(dns(d)), wanted)

        constrained("constraints-kept", "within its authority's name constraints", accept(), permitted=["constraints-kept.example"])
        constrained("constraints-broken", "outside of them", no, permitted=["elsewhere.example"])
        constrained("constraints-excluded", "excluded by them", no, excluded=["constraints-excluded.example"])
        self.add("constraints-root", "a root without them, a chain of three with them", self.deep_constraint, no)
        unknown = x509.UnrecognizedExtension(make.Oid("1.3.6.1.4.1.55555.1"), b"\x05\x00")
        self.add("critical-unknown", "an unknown critical extension", lambda d, e: self.root.issue(
            dns(d), extensions=[(unknown, True)]), refuse(UNTRUSTED, TLS))
        self.add("uncritical-unknown", "an unknown extension that is not critical", lambda d, e: self.root.issue(
            dns(d), extensions=[(unknown, False)]), accept())
        strict = Authority("Zoo Critical", self.root, extensions=[(unknown, True)])
        self.add("critical-above", "an unknown critical extension in its intermediate", lambda d, e: strict.issue(dns(d)), no)
        deep = self.root
        for level in range(6):
            deep = Authority(f"Zoo Level {level}", deep)
        self.add("deep-chain", "six intermediates", lambda d, e, deep=deep: deep.issue(dns(d)), accept())
        for level in range(6, 30):
            deep = Authority(f"Zoo Level {level}", deep)
        self.add("huge-chain", "thirty intermediates", lambda d, e, deep=deep: deep.issue(dns(d)), refuse(UNTRUSTED, TLS))

    def deep_constraint(self, domain, edge):
        limit = x509.NameConstraints([x509.DNSName("elsewhere.example")], None)
        upper = Authority("Zoo Upper Limit", self.root, extensions=[(limit, True)])
        return Authority("Zoo Lower Limit", upper).issue(dns(domain))

    def keys(self):
        def with_key(key, by=self.root, **more):
            return lambda d, e: by.issue(dns(d), key=key, **more)

        weak = refuse(UNTRUSTED, TLS)
        self.add("key-p256", "ECDSA P-256", with_key(make.p256()), accept())
        self.add("key-p384", "ECDSA P-384", with_key(ec.generate_private_key(ec.SECP384R1())), accept())
        self.add("key-p521", "ECDSA P-521", with_key(ec.generate_private_key(ec.SECP521R1())), accept())
        self.add("key-ed25519", "Ed25519", with_key(ed25519.Ed25519PrivateKey.generate()), accept())
        self.add("key-rsa-2048", "RSA of 2048 bits", with_key(make.rsa_key(2048)), accept())
        self.add("key-rsa-4096", "RSA of 4096 bits", with_key(make.rsa_key(4096)), accept())
        self.add("key-rsa-1024", "RSA of 1024 bits", with_key(make.rsa_key(1024)), weak)
        self.add("key-p192", "ECDSA P-192", with_key(ec.generate_private_key(ec.SECP192R1())), weak, wishes={"versions": ONLY_1_2})
        feeble = Authority("Zoo Feeble Intermediate", self.root, key=make.rsa_key(1024))
        self.add("authority-rsa-1024", "an intermediate with RSA of 1024 bits", with_key(make.p256(), feeble), weak)
        self.add("rsa-signed", "signed by RSA with SHA-256", with_key(make.p256(), self.rsa_root), accept())
        self.add("sha1", "signed with SHA-1", with_key(make.p256(), self.rsa_root, sha1=True), weak)
        faded = Authority("Zoo Faded Intermediate", self.rsa_root, sha1=True)
        self.add("authority-sha1", "an intermediate signed with SHA-1", with_key(make.p256(), faded), weak)
        self.add("sha384", "signed with SHA-384", with_key(make.p256(), digest=hashes.SHA384()), accept())

    def pins(self):
        def pin(shown):
            return ["--pin", shown.fingerprint()]

        def anchor(authority):
            def arguments(_):
                file = self.folder / f"anchor-{authority.der[-8:].hex()}.pem"
                file.write_bytes(make.pem(authority.der))
                return ["--anchor", str(file)]

            return arguments

        self.add("pinned", "self-signed, and pinned", lambda d, e: self_signed(d), accept(), trust=pin)
        self.add("pinned-no-names", "self-signed, names nothing, and pinned", lambda d, e: self_signed(None), accept(), trust=pin)
        self.add("pinned-other", "good, but another one is pinned", lambda d, e: self.root.issue(dns(d)), refuse(PIN),
                 trust=lambda _: ["--pin", "ab" * 32])
        self.add("pinned-expired", "pinned, and expired", lambda d, e: self_signed(d, end=NOW - DAY), refuse(EXPIRED), trust=pin)
        self.add("pinned-not-yet", "pinned, and not valid yet", lambda d, e: self_signed(d, begin=NOW + DAY), refuse(UNTRUSTED), trust=pin)
        self.add("pinned-client", "pinned, clientAuth alone", lambda d, e: self_signed(d, purposes=[Eku.CLIENT_AUTH]),
                 accept(), refuse(PURPOSE), trust=pin)
        self.add("own-authority", "the partner's own authority, trusted for it", lambda d, e: self.own.issue(dns(d)), accept(),
                 trust=anchor(self.own))
        self.add("own-authority-of-other", "the own authority of another partner", lambda d, e: self.own.issue(dns(d)), refuse(UNTRUSTED))
        below = Authority("A Partner's Intermediate", self.own)
        self.add("own-intermediate", "an intermediate below its own authority", lambda d, e: below.issue(dns(d)), accept(),
                 trust=anchor(self.own))
        self.add("own-name-wrong", "its own authority, the wrong name", lambda d, e: self.own.issue(dns("other.example")),
                 refuse(NAME), trust=anchor(self.own))

    def revocation(self):
        """The first case of a list waits until it was fetched; the later ones are judged by it."""
        keeper = Authority("Zoo List Keeper", self.root)
        bodies = self.lists

        def listed(path, by=keeper):
            return lambda d, e: by.issue(dns(d), extensions=[lists.point(path)])

        bad = [keeper.issue(dns(f"{name}.example"), extensions=[lists.point("good.crl")]) for name in ("revoked", "revoked-pinned")]
        bodies["good.crl"] = lists.revoke(keeper, *bad)
        late = keeper.issue(dns("revoked-meanwhile.example"), extensions=[lists.point("late.crl")])
        bodies["late.crl"] = lists.revoke(keeper, late)
        self.add("list-good", "names a list, and is not on it", listed("good.crl"), accept(), fetches="good.crl")
        self.add("revoked", "is on the list that it names", lambda d, e: bad[0], refuse(REVOKED))
        self.add("revoked-pinned", "is on the list, and pinned", lambda d, e: bad[1], refuse(REVOKED),
                 trust=lambda shown: ["--pin", shown.fingerprint()])
        self.add("revoked-meanwhile", "is on a list that is fetched after its first request", lambda d, e: late,
                 refuse(REVOKED), refuse(REVOKED), kind="meanwhile", fetches="late.crl")
        for name, what, path, body in [
            ("list-closed", "nobody listens where its list should be", "http://127.0.9.5:9/closed.crl", None),
            ("list-missing", "its list is not there (404)", "missing.crl", None),
            ("list-stranger", "its list is signed by somebody else", "stranger.crl", lambda bad: lists.revoke(keeper, bad, signer=self.twin.key)),
            ("list-of-other", "its list is another authority's", "other.crl", lambda bad: lists.revoke(self.stranger, bad)),
            ("list-stale", "its list is out of date", "stale.crl", lambda bad: lists.revoke(keeper, bad, begin=NOW - 9 * DAY, end=NOW - DAY)),
            ("list-huge", "its list has no end", "huge.crl", lambda bad: bytes(lists.HUGE_BYTES)),
            ("list-html", "its list is a web page", "page.crl", lambda bad: b"<html>not here</html>"),
            ("list-https", "its list is to be had by HTTPS only", "https://127.0.9.5/secure.crl", None),
        ]:
            shown = keeper.issue(dns(f"{name}.example"), extensions=[lists.point(path)])
            if body:
                bodies[path] = body(shown)
            self.add(name, what + ": accepted by default", lambda d, e, shown=shown: shown, accept(),
                     fetches=path if body else "")

    def strict(self):
        """Those that name a list, as they are judged where a list in force is required: only one that HTTP cannot fetch is
        not asked for."""
        kept = {"list-good", "revoked", "revoked-pinned", "list-https"}
        for case in self.cases:
            if case.name.startswith("list-") or case.name.startswith("revoked"):
                if case.name == "revoked-meanwhile":
                    yield replace(case, kind="plain")
                elif case.name in kept:
                    yield case
                else:
                    yield replace(case, inbound=refuse(UNTRUSTED), outbound=refuse(UNTRUSTED))

    def handshakes(self):
        good = lambda d, e: self.root.issue(dns(d))
        end = refuse(TLS)
        self.add("tls-1-0", "TLS 1.0", good, end, wishes={"versions": OLD})
        self.add("tls-1-1", "TLS 1.1", good, end, wishes={"versions": OLD_TOO})
        self.add("tls-1-2", "TLS 1.2", good, accept(), wishes={"versions": ONLY_1_2})
        self.add("tls-1-3", "TLS 1.3", good, accept(), wishes={"versions": ONLY_1_3})
        self.add("no-certificate", "no certificate at all", lambda d, e: None, refuse(MISSING), None)
        self.add("sni-other", "asks for another name (SNI)", good, accept(), None, wishes={"server_name": "www.other.example"})
        self.add("sni-none", "asks for no name", good, accept(), None, wishes={"server_name": None})
        self.add("renegotiation", "begins anew within TLS 1.2", good, refuse(TLS), None, kind="renegotiation")
        self.add("early-data", "sends its request before the handshake is over (0-RTT)", good, refuse(TLS), None, kind="early-data")
        self.add("plain-tcp", "no TLS at all", lambda d, e: None, refuse(MISSING), None, kind="tcp")

    def connections(self):
        good = lambda d, e: self.root.issue(dns(d))
        self.add("second-domain", "another partner's domain on a connection that was admitted", good, refuse(NAME), None, kind="second-domain")
        self.add("our-domain", "a user of ours on a connection that was admitted as a partner's", good, refuse("mixed-traffic"), None,
                 kind="our-domain")
        self.add("own-second-domain", "the second domain that the certificate names, on the same connection",
                 lambda d, e: self.root.issue(dns(d, "second." + d)), accept(), None, kind="own-second-domain")


def self_signed(domain, **wishes):
    lonely = Authority("edge", ca=False, signs=None, extensions=[
        (x509.ExtendedKeyUsage(wishes.pop("purposes", [Eku.SERVER_AUTH])), False), *([(dns(domain), False)] if domain else [])], **wishes)
    return Shown([lonely.der], lonely.key)


def own_alone(shown):
    return Shown(shown.chain[:1], shown.key)


def upside_down(shown):
    return Shown([shown.chain[0], *reversed(shown.chain[1:])], shown.key)


def followed(shown, *more):
    return Shown([*shown.chain, *more], shown.key)

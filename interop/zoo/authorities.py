"""Certificates with whatever is to be wrong with them: authorities, what they sign, and what nobody should."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku
from cryptography.x509.oid import ObjectIdentifier as Oid

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.utcnow().replace(microsecond=0)
SIP_DOMAIN = Oid("1.3.6.1.5.5.7.3.20")
SUBJECT_ALT_NAME = Oid("2.5.29.17")
ANY_PURPOSE = Oid("2.5.29.37.0")
# In DER: sha256WithRSAEncryption, and sha1WithRSAEncryption of the same length.
SHA256_WITH_RSA, SHA1_WITH_RSA = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")


def name(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def p256():
    return ec.generate_private_key(ec.SECP256R1())


def rsa_key(bits):
    return rsa.generate_private_key(65537, bits)


def dns(*hosts):
    return x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])


def uris(*texts, hosts=()):
    texts = [x509.UniformResourceIdentifier(text) for text in texts]
    return x509.SubjectAlternativeName(texts + [x509.DNSName(host) for host in hosts])


def addresses(*texts):
    return x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(text)) for text in texts])


def raw_names(*pairs):
    """General names by their context tag (2: DNS, 6: URI) and any bytes, well formed or not."""
    body = b"".join(bytes([0x80 | tag]) + length(content) + content for tag, content in pairs)
    return x509.UnrecognizedExtension(SUBJECT_ALT_NAME, b"\x30" + length(body) + body)


def length(content):
    count = len(content)
    if count < 128:
        return bytes([count])
    digits = count.to_bytes((count.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(digits)]) + digits


class Shown:
    """What a peer shows: certificates in DER, its own first, and its key."""

    def __init__(self, chain, key):
        self.chain, self.key = chain, key

    def fingerprint(self):
        return x509.load_der_x509_certificate(self.chain[0]).fingerprint(hashes.SHA256()).hex()

    def serial(self):
        return x509.load_der_x509_certificate(self.chain[0]).serial_number

    def write(self, file):
        key = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(key + b"".join(map(pem, self.chain)))


def pem(der):
    import base64

    text = base64.encodebytes(der).decode()
    return f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n".encode()


class Authority:
    """At the root, or below another; `above` is what it sends with what it issues."""

    def __init__(self, text, above=None, key=None, parent=None, **wishes):
        self.key, self.name = key or p256(), name(text)
        if above is None:
            self.der = build(self.name, self.name, self.key, self.key, authority(wishes))
            self.above = []
        else:
            self.der = build(self.name, above.name, self.key, above.key, authority(wishes))
            self.above = [self.der, *above.above]

    def issue(self, names, key=None, **wishes):
        """By default a server's certificate that is valid now and has these names."""
        key = key or p256()
        extensions = [(names, wishes.pop("names_critical", False))] if names else []
        for purpose in [wishes.pop("purposes", [Eku.SERVER_AUTH])]:
            if purpose:
                extensions.append((x509.ExtendedKeyUsage(purpose), False))
        extensions += wishes.pop("extensions", [])
        wishes["extensions"] = extensions
        subject = name(wishes.pop("subject", "edge"))
        der = build(subject, self.name, key, self.key, wishes)
        return Shown([der, *self.above], key)


def authority(wishes):
    """Adds what an authority's certificate says, unless it is to say something else."""
    depth = wishes.pop("path_length", None)
    extensions = [(x509.BasicConstraints(wishes.pop("ca", True), depth), True)]
    signs = wishes.pop("signs", True)
    if signs is not None:
        usage = dict.fromkeys(
            ["content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
             "decipher_only"], False)
        extensions.append((x509.KeyUsage(True, key_cert_sign=signs, crl_sign=signs, **usage), True))
    return {**wishes, "extensions": extensions + wishes.pop("extensions", [])}


def build(subject, issuer, key, signer, wishes):
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(wishes.get("begin", NOW - 30 * DAY))
        .not_valid_after(wishes.get("end", NOW + 90 * DAY))
    )
    for extension, critical in wishes.get("extensions", []):
        builder = builder.add_extension(extension, critical)
    digest = None if isinstance(signer, ed25519.Ed25519PrivateKey) else wishes.get("digest", hashes.SHA256())
    der = builder.sign(signer, digest).public_bytes(serialization.Encoding.DER)
    return with_sha1(der, signer) if wishes.get("sha1") else der


def with_sha1(der, signer):
    """No library of today signs with SHA-1, so the RSA signature is made anew under the other algorithm's name."""
    certificate = x509.load_der_x509_certificate(der)
    body = certificate.tbs_certificate_bytes.replace(SHA256_WITH_RSA, SHA1_WITH_RSA, 1)
    signature = signer.sign(body, padding.PKCS1v15(), hashes.SHA1())
    assert len(signature) == len(certificate.signature)
    return der.replace(SHA256_WITH_RSA, SHA1_WITH_RSA).replace(certificate.signature, signature)


def spoilt(shown):
    """With a wrong signature of its authority: one bit of its last byte."""
    own = bytearray(shown.chain[0])
    own[-1] ^= 1
    return Shown([bytes(own), *shown.chain[1:]], shown.key)

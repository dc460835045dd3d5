"""Lists of revoked certificates, and a web server that has them, good ones and others."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from authorities import DAY, NOW

ADDRESS = ("127.0.9.5", 8080)
HUGE_BYTES = 17 << 20


def point(path):
    """The extension that names a list there."""
    names = [x509.UniformResourceIdentifier(path if ":" in path else f"http://{ADDRESS[0]}:{ADDRESS[1]}/{path}")]
    return x509.CRLDistributionPoints([x509.DistributionPoint(names, None, None, None)]), False


def revoke(authority, *revoked, begin=NOW - DAY, end=NOW + 7 * DAY, signer=None):
    builder = x509.CertificateRevocationListBuilder().issuer_name(authority.name).last_update(begin).next_update(end)
    builder = builder.add_extension(x509.CRLNumber(1), False)
    for shown in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(shown.serial()).revocation_date(begin).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(signer or authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


class Lists:
    """Serves what was put in, by path, and counts how often each was asked for."""

    def __init__(self):
        self.bodies, self.asked = {}, {}
        lists = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                path = self.path[1:]
                body = lists.bodies.get(path)
                self.send_response(200 if body else 404)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                try:
                    self.wfile.write(body or b"")
                except OSError:
                    pass  # it had enough
                lists.asked[path] = lists.asked.get(path, 0) + 1

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(ADDRESS, Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()

"""A mail server, aiosmtpd's, that takes letters over STARTTLS from whoever knows the password."""

import email
import email.policy
import logging
import socket
import ssl
import subprocess
from dataclasses import dataclass
from email.message import EmailMessage

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

# It logs its own use of what it deprecates.
logging.getLogger("mail.log").setLevel(logging.ERROR)
USER, PASSWORD = "comity", "only for this run"


@dataclass
class Letter:
    sender: str
    to: list
    message: EmailMessage
    is_encrypted: bool
    user: str


class PostOffice:
    """Its certificate is in `office.pem`, in the folder that it is given."""

    host = "127.0.0.1"

    def __init__(self, folder):
        certificate, key = folder / "office.pem", folder / "office.key"
        names = ["-addext", f"subjectAltName=IP:{self.host}", "-addext", "basicConstraints=critical,CA:FALSE"]
        new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        files = ["-keyout", str(key), "-out", str(certificate), "-subj", "/CN=office"]
        subprocess.run([*new, *names, *files], check=True, capture_output=True)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        with socket.create_server((self.host, 0)) as free:
            self.port = free.getsockname()[1]
        self.letters = []
        self.controller = Controller(
            self, hostname=self.host, port=self.port, tls_context=context, require_starttls=True,
            auth_required=True, authenticator=self.authenticate,
        )
        self.controller.start()

    def authenticate(self, server, session, envelope, mechanism, login):
        is_known = (login.login, login.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=is_known, handled=False, auth_data=USER)

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.letters.append(
            Letter(envelope.mail_from, envelope.rcpt_tos, message, session.ssl is not None, session.auth_data)
        )
        return "250 taken"

    def taken(self):
        """The letters since it was asked last."""
        letters, self.letters = self.letters, []
        return letters

    def close(self):
        self.controller.stop()

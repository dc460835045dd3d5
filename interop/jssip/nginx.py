"""nginx in front of Contoso, with the very lines of the documentation."""

import re
import socket
import subprocess
import time
from pathlib import Path

# One process under the user that is here: in a user namespace there is no other.
PAGE = Path(__file__).parents[2] / "docs" / "operate" / "browsers.md"
CONFIG = """\
daemon off;
master_process off;
user root root;
pid {home}/pid;
error_log {home}/log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {home};
    proxy_temp_path {home};
    fastcgi_temp_path {home};
    uwsgi_temp_path {home};
    scgi_temp_path {home};
    server {{
        listen {listen} ssl;
        server_name contoso.example;
        ssl_certificate {certificate}/certificate.pem;
        ssl_certificate_key {certificate}/certificate.key;
{location}
    }}
}}
"""


class Nginx:
    def __init__(self, home, facts):
        home.mkdir()
        home.chmod(0o755)
        location = re.search(r"^location /sip \{.*?^\}", PAGE.read_text(), re.MULTILINE | re.DOTALL)[0]
        written = location.replace("127.0.0.1:7080", facts["CONTOSO_WS"])
        if written == location:
            raise RuntimeError("the documentation's address is not where it was")
        listen = facts["CONTOSO_WS"].rsplit(":", 1)[0] + ":8443"
        certificate = Path(facts["CONTOSO_CONFIG"]).parent
        (home / "nginx.conf").write_text(
            CONFIG.format(home=home, listen=listen, certificate=certificate, location=written)
        )
        self.log = home / "printed"
        with self.log.open("w") as log:
            command = ["/usr/sbin/nginx", "-p", home, "-e", home / "log", "-c", home / "nginx.conf"]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.expect_open(*listen.split(":"))

    def expect_open(self, host, port):
        deadline = time.monotonic() + 5
        while True:
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"nginx did not start: {self.log.read_text()}") from None
                time.sleep(0.02)

    def end(self):
        self.process.terminate()
        self.process.wait(5)

"""An organisation with edges before its home, and a partner: configurations, names, certificates, processes."""

import json
import re
import signal
import subprocess
import time
from pathlib import Path

DNS, DNS_PORT = "127.0.10.53", 53
HOME = "127.0.10.1"
FABRIKAM = "127.0.11.1"
NORTHWIND = "127.0.12.1"
OUTER_VIP, INNER_VIP, BALANCER = "127.0.10.100", "127.0.10.101", "127.0.10.99"
POOL, INNER_POOL = "sip.contoso.example", "edges.corp.example"
PASSWORD = "correct horse battery"
EXAMPLE = Path(__file__).parents[2] / "deploy/haproxy/haproxy.cfg"


def outer(edge):
    return f"127.0.10.1{edge}"


def inner(edge):
    return f"127.0.10.2{edge}"


class Place:
    """Everything of one run, in a folder; ended by end()."""

    def __init__(self, comity, folder, method):
        self.program, self.folder, self.method, self.processes = comity, folder, method, {}
        self.has_vanished = False
        folder.mkdir()
        self.make_certificates()

    # --- certificates

    def tool(self, *command, text=None):
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, input=text, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}")
        return done.stdout

    def make_certificates(self):
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        self.tool("openssl", "req", "-x509", *curve, "-subj", "/CN=Pool", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem")
        for file, names in {
            "edge": [POOL, "contoso.example"],
            "inner": [INNER_POOL, *(f"edge{edge}.corp.example" for edge in (1, 2))],
            "home": ["home.corp.example"],
            "fabrikam": ["sip.fabrikam.example", "fabrikam.example"],
            "northwind": ["sip.northwind.example", "northwind.example"],
        }.items():
            self.tool("openssl", "req", "-new", *curve, "-subj", f"/CN={names[0]}", "-keyout", f"{file}.key", "-out", f"{file}.csr")
            more = f"subjectAltName={','.join(f'DNS:{name}' for name in names)}\nextendedKeyUsage=serverAuth,clientAuth\n"
            (self.folder / "more").write_text(more)
            signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "more"]
            self.tool("openssl", "x509", "-req", "-in", f"{file}.csr", *signed, "-out", f"{file}.pem")

    # --- names

    def addresses(self, edges):
        """Of the pool, on the outer side and on the inner one."""
        if self.method == "haproxy":
            return [OUTER_VIP], [INNER_VIP]
        return [outer(edge) for edge in edges], [inner(edge) for edge in edges]

    def write_zone(self, edges):
        at, within = self.addresses(edges)
        records = [("home.corp", HOME), ("sip.fabrikam", FABRIKAM), ("sip.northwind", NORTHWIND)]
        records += [("sip.contoso", address) for address in at] + [("edges.corp", address) for address in within]
        records += [(f"edge{edge}.corp", inner(edge)) for edge in (1, 2)]
        lines = [f"{name} 1 IN A {address}" for name, address in records]
        for domain in ["contoso", "fabrikam", "northwind"]:
            lines.append(f"_sipfederationtls._tcp.{domain} 1 IN SRV 0 0 5061 sip.{domain}.example.")
        soa = f"@ 1 IN SOA ns.example. nobody.example. {int(time.time() * 10) % 2**31} 3600 900 86400 1\n@ 1 IN NS ns.example.\n"
        (self.folder / "zone").write_text("$ORIGIN example.\n" + soa + "\n".join(lines) + "\n")

    def serve_names(self, edges):
        self.write_zone(edges)
        (self.folder / "nsd.conf").write_text(
            f'server:\n  ip-address: {DNS}@{DNS_PORT}\n  username: ""\n  pidfile: "{self.folder}/nsd.pid"\n  database: ""\n'
            f'  zonelistfile: "{self.folder}/zones"\n  xfrdfile: "{self.folder}/xfrd"\n  zonesdir: "{self.folder}"\n'
            f"remote-control:\n  control-enable: no\n"
            f'zone:\n  name: "example."\n  zonefile: "{self.folder}/zone"\n'
        )
        self.start("nsd", ["nsd", "-d", "-c", str(self.folder / "nsd.conf")])

    def publish(self, edges):
        """From now on these are the edges of the pool."""
        self.write_zone(edges)
        self.kill("nsd")
        self.serve_names(edges)

    # --- processes

    def start(self, name, command):
        log = (self.folder / f"{name}.log").open("a")
        self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def kill(self, name):
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def vanish(self, edge):
        """As a machine without power: what goes to it, or was said by it, comes to nothing, and nobody is told."""
        process = self.processes[f"edge{edge}"]
        process.send_signal(signal.SIGSTOP)
        # What it has opened itself comes from an address that all here share: there its ports are what vanishes.
        sockets = [line.split() for line in self.tool("ss", "-Htnp").splitlines() if f"pid={process.pid}," in line]
        local = [socket[3].rsplit(":", 1) for socket in sockets]
        ports = {port for address, port in local if address not in (outer(edge), inner(edge))}
        gone = f"{{ {outer(edge)}, {inner(edge)} }}"
        rules = [f"ip daddr {gone} drop", f"ip saddr {gone} drop"]
        if ports:
            rules += [f"tcp {way} {{ {', '.join(sorted(ports))} }} drop" for way in ("sport", "dport")]
        chain = "\n".join(["type filter hook input priority 0;", *rules])
        self.tool("nft", "-f", "-", text=f"table inet vanished {{\nchain input {{\n{chain}\n}}\n}}\n")
        self.has_vanished = True

    def end(self):
        if self.has_vanished:
            self.tool("nft", "delete", "table", "inet", "vanished")
        for name in list(self.processes):
            self.kill(name)

    def comity(self, name, *arguments, text=None):
        return self.tool(self.program, "--config", str(self.folder / name / "comity.toml"), *arguments, text=text)

    def serve(self, name):
        self.start(name, [self.program, "--config", str(self.folder / name / "comity.toml"), "serve"])
        deadline = time.monotonic() + 20
        while True:
            try:
                return self.comity(name, "status")
            except RuntimeError as error:
                if time.monotonic() > deadline or self.processes[name].poll() is not None:
                    raise RuntimeError(f"{name} does not start: {(self.folder / f'{name}.log').read_text()[-2000:]}") from error
                time.sleep(0.05)

    def status(self, name):
        return json.loads(self.comity(name, "status", "--json"))

    def heard(self, name):
        """How many messages a server has had from anybody."""
        return sum((worker.get("sockets") or {}).get("messages_received", 0) for worker in self.status(name)["workers"])

    def configure(self, name, text):
        folder = self.folder / name
        folder.mkdir()
        servers = f'[dns]\nservers = ["{DNS}:{DNS_PORT}"]\n'
        (folder / "comity.toml").write_text(text + servers)

    def make_edge(self, edge):
        behind = self.method == "haproxy"
        trusted = f'proxy_from = ["{BALANCER}"]\n' if behind else ""
        name = f"edge{edge}"
        self.configure(name, (
            f'domains = ["contoso.example"]\nedge = "{POOL}"\nroles = ["edge"]\nworkers = 2\n{certificate("edge")}'
            f'[listen]\ntls = ["{outer(edge)}:5061"]\nhealth = ["{outer(edge)}:8061"]\n{trusted}'
            f'[inside]\nnext_hop = "home.corp.example:5071"\nlisten = ["{inner(edge)}:5061"]\n'
            f'name = "{INNER_POOL if behind else name + ".corp.example"}"\n{inside("inner")}{trusted}'
            f'control = ["{inner(edge)}:5062"]\n'
        ))

    def make_home(self):
        own = [f"edge{edge}.corp.example" for edge in (1, 2)]
        edges, told = ([INNER_POOL], own) if self.method == "haproxy" else (own, [])
        named, past = (", ".join(f'"{name}:{port}"' for name in names) for names, port in ((edges, 5061), (told, 5062)))
        self.configure("home", (
            f'domains = ["contoso.example"]\nedge = "home.corp.example"\nroles = ["home"]\nworkers = 2\n{certificate("home")}'
            f'[listen]\ntls = ["{HOME}:5061"]\ntcp = ["{HOME}:5060"]\n'
            f'[inside]\nedges = [{named}]\ncontrol = [{past}]\nlisten = ["{HOME}:5071"]\n{inside("home")}{CALLS}'
        ))
        self.admit("home", ["fabrikam.example", "northwind.example"], "alice@contoso.example")

    def make_fabrikam(self):
        self.configure("fabrikam", (
            f'domains = ["fabrikam.example"]\nedge = "sip.fabrikam.example"\nworkers = 2\n{certificate("fabrikam")}'
            f'[listen]\ntls = ["{FABRIKAM}:5061"]\ntcp = ["{FABRIKAM}:5060"]\n{CALLS}'
        ))
        self.admit("fabrikam", ["contoso.example"], "fay@fabrikam.example")

    def admit(self, name, partners, user):
        for partner in partners:
            self.comity(name, "partner", "add", partner)
        self.comity(name, "user", "add", user, "--password-stdin", text=PASSWORD + "\n")

    def start_balancer(self):
        """The example of deploy/, with the addresses of this run in it."""
        # Shells may not open as many files as a service.
        text = EXAMPLE.read_text().replace("maxconn 4000", "maxconn 400")
        for written, ours in [("192.0.2.100", OUTER_VIP), ("10.0.0.100", INNER_VIP), ("192.0.2.99", BALANCER), ("10.0.0.99", BALANCER)]:
            text = text.replace(written, ours)
        text = re.sub(r"192\.0\.2\.([12])\b", lambda found: outer(found[1]), text)
        text = re.sub(r"10\.0\.0\.([12])\b", lambda found: inner(found[1]), text)
        (self.folder / "haproxy.cfg").write_text(text)
        self.start("haproxy", ["haproxy", "-db", "-f", str(self.folder / "haproxy.cfg")])


def certificate(file):
    return f'[certificate]\nchain = "../{file}.pem"\nkey = "../{file}.key"\nroots = "../ca.pem"\n'


def inside(file):
    return f'chain = "../{file}.pem"\nkey = "../{file}.key"\nroots = "../ca.pem"\n'


# Calls go through as they are, so that their own routes are what leads them.
CALLS = '[calls]\nbetween = "never"\nanchor = "never"\n[users]\ndigest = ["MD5"]\n'

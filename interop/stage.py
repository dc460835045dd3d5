"""What every run in Python has: lines that say what passed, the demo's servers, and an end whatever happens."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path


class Report:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, work):
        begin = time.monotonic()
        try:
            work()
            mark, reason = "ok  ", ""
            self.passed += 1
        except Exception as error:  # whatever went wrong is this check's failure
            mark, reason = "FAIL", f": {error}"
            self.failed += 1
        print(f"{mark} {(time.monotonic() - begin) * 1000:5.0f} ms  {name}{reason}", flush=True)


class Servers:
    """The demo's servers; they end when their standard input is closed."""

    def __init__(self, comity, folder, *arguments):
        folder.mkdir()
        self.program = comity
        self.log = folder / "demo.log"
        command = [comity, "demo", "--hold-for-tests", str(folder), *arguments]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        facts = folder / "demo.env"
        deadline = time.monotonic() + 20
        while not facts.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.end()
                raise RuntimeError(f"the servers did not start: {self.log.read_text()}")
            time.sleep(0.05)
        self.facts = dict(line.split("=", 1) for line in facts.read_text().splitlines())

    def end(self):
        self.process.stdin.close()
        if self.process.wait(10) != 0:
            raise RuntimeError(f"the servers did not end well: {self.log.read_text()}")

    def comity(self, organisation, *arguments):
        """What a command for that organisation (CONTOSO) prints, read from JSON."""
        command = [self.program, "--config", self.facts[organisation + "_CONFIG"], "--json", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not done.stdout:
            raise RuntimeError(f"{' '.join(arguments)}: {done.stderr}")
        return json.loads(done.stdout)

    def show_certificate(self, organisation, name):
        """From now on that server shows this one of the demo's certificates ("trusted/mallory")."""
        since = self.comity(organisation, "status")["certificate"]["since_unix"]
        folder = Path(self.facts[organisation + "_CONFIG"]).parent
        for part in ["certificate.key", "certificate.pem"]:
            shutil.copyfile(Path(self.facts["CERTIFICATES"]) / name / part, folder / part)
        deadline = time.monotonic() + 20
        while self.comity(organisation, "status")["certificate"]["since_unix"] == since:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the certificate {name} is not served")
            time.sleep(0.1)


def play(name, secs_max, act, *arguments):
    """Acts before servers with 1 worker an organisation and with 3; answers the exit code."""

    def too_long(*_):
        sys.exit("the run took too long")  # no failure of one check

    signal.signal(signal.SIGALRM, too_long)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    signal.alarm(secs_max)
    report = Report()
    folder = Path(tempfile.mkdtemp(prefix=f"comity-{name}-"))
    try:
        for workers in ["1", "3"]:
            print(f"with {workers} workers an organisation", flush=True)
            stage = folder / workers
            stage.mkdir()
            servers = Servers(sys.argv[1], stage / "servers", "--workers", workers, "--dns-port", "53", *arguments)
            try:
                act(report, servers, stage)
            finally:
                report.check("the servers end", servers.end)
    finally:
        shutil.rmtree(folder)
    print(f"{report.passed} passed, {report.failed} failed")
    return 0 if report.passed and not report.failed else 1

"""One headless Chromium, steered by browser.cjs: pages with a phone each, and what they saw."""

import json
import os
import queue
import subprocess
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent


class Chromium:
    """`ca`: the authority it trusts, beside those of the world; `None` for a browser that nobody has told."""

    def __init__(self, home, ca):
        home.mkdir()
        database = home / ".pki" / "nssdb"
        database.mkdir(parents=True)
        if ca:
            command = ["certutil", "-d", f"sql:{database}", "-A", "-t", "C,,", "-n", "demo", "-i", ca]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"certutil: {done.stderr}")
        self.errors = home / "log"
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                ["node", HERE / "browser.cjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                text=True, env={**os.environ, "HOME": str(home)},
            )  # fmt: skip
        self.lines, self.seen, self.asked = queue.Queue(), [], 0
        threading.Thread(target=self.listen, daemon=True).start()
        self.wait(lambda line: "ready" in line, 20, "Chromium")

    def listen(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def wait(self, fits, seconds, wanted):
        """Takes the first line that fits, from those that came already or are yet to come."""
        deadline = time.monotonic() + seconds
        while True:
            for line in self.seen:
                if fits(line):
                    self.seen.remove(line)
                    return line
            try:
                line = self.lines.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                raise RuntimeError(f"no {wanted}; seen: {self.seen[-5:]}") from None
            if line is None:
                raise RuntimeError(f"the browser ended: {self.errors.read_text()[-500:]}")
            self.seen.append(line)

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Page:
    """A page of an origin, and its phone."""

    def __init__(self, browser, name, origin):
        self.browser, self.name = browser, name
        self.do("open", origin=origin)

    def begin(self, command, **arguments):
        self.browser.asked += 1
        line = {"id": self.browser.asked, "page": self.name, "name": command, **arguments}
        self.browser.process.stdin.write(json.dumps(line) + "\n")
        self.browser.process.stdin.flush()
        return self.browser.asked

    def result(self, number, seconds=15):
        answer = self.browser.wait(lambda line: line.get("id") == number, seconds, f"answer of {self.name}")
        if "error" in answer:
            raise RuntimeError(f"{self.name}: {answer['error']}")
        return answer["result"]

    def do(self, command, **arguments):
        return self.result(self.begin(command, **arguments))

    def expect(self, kind, seconds=15):
        def fits(line):
            return line.get("page") == self.name and line.get("seen") == kind

        return self.browser.wait(fits, seconds, f"{kind} at {self.name}")

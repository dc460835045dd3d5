"""Browsers of two organisations, and a phone that is none; one line for each check, and the sum."""

import sys
from pathlib import Path

from baresip_phone import Baresip
from chromium import Chromium, Page
from nginx import Nginx
from stage import play

WAIT_SECS = 8
WHOLE_RUN_SECS = 110


def converse(report, servers, folder):
    facts = servers.facts
    chromium = Chromium(folder / "chromium", facts["CA"])
    erin = phone_of_erin(facts, folder)
    try:
        alice = Page(chromium, "alice", "https://phone.contoso.example")
        bob = Page(chromium, "bob", "https://fabrikam.example")
        report.check("alice@contoso registers over secure WebSocket", lambda: registers(servers, alice, "contoso"))
        report.check("bob@fabrikam registers over secure WebSocket", lambda: registers(servers, bob, "fabrikam"))
        between_browsers(report, alice, bob)
        with_a_phone(report, alice, erin)
        strangers(report, servers, chromium, folder)
        behind_a_proxy(report, servers, chromium, alice, folder)
        returns(report, servers, alice, bob)
    finally:
        erin.end()
        chromium.end()


def phone_of_erin(facts, folder):
    home = folder / "erin"
    home.mkdir()
    (home / "tone.wav").write_bytes(b"")
    place = facts["FABRIKAM_TLS"]
    edge = f"{facts['FABRIKAM_EDGE']}:{place.rsplit(':', 1)[1]}"
    return Baresip(
        home, aor="erin@fabrikam.example", password=facts["ERIN_PASSWORD"], edge=edge, place=place,
        ca=facts["CA"], dns=facts["DNS"], port=15070, peer="alice@contoso.example",
    )  # fmt: skip


def connect(servers, page, organisation):
    facts, name = servers.facts, organisation.upper()
    port = facts[f"{name}_WSS"].rsplit(":", 1)[1]
    return page.do(
        "connect", url=f"wss://{facts[f'{name}_EDGE']}:{port}", uri=f"sip:{page.name}@{organisation}.example",
        password=facts.get(f"{page.name.upper()}_PASSWORD", "none"),
    )  # fmt: skip


def registers(servers, page, organisation):
    expect(connect(servers, page, organisation), status=200, require="outbound")
    expect_devices(servers, page.name, organisation, 1)


def expect_devices(servers, name, organisation, count):
    users = servers.comity(organisation.upper(), "user", "list")
    devices = [user["registrations"] for user in users if user["aor"] == f"{name}@{organisation}.example"]
    if devices != [count]:
        raise RuntimeError(f"{name} has {devices} devices: {users}")


def expect(found, **wanted):
    if any(found.get(name) != value for name, value in wanted.items()):
        raise RuntimeError(f"expected {wanted}, found {found}")
    return found


def between_browsers(report, alice, bob):
    def writes(sender, recipient, text, to, by):
        expect(sender.do("write", to=to, text=text), status=200)
        expect(recipient.expect("message"), text=text, **{"from": by})

    def calls():
        expect(alice.do("call", to="bob@fabrikam.example"), status=200)
        bob.expect("confirmed")

    def hears(page):
        heard = page.do("listen")
        if not heard["energy"]:
            raise RuntimeError(f"{page.name} hears nothing: {heard}")

    def hangs_up():
        bob.do("hang_up")
        expect(alice.expect("ended"), by="remote")

    a, b = "alice@contoso.example", "bob@fabrikam.example"
    report.check("alice writes to bob, grüße and all", lambda: writes(alice, bob, "grüße von alice", b, a))
    report.check("bob writes to alice", lambda: writes(bob, alice, "good morning", a, b))
    report.check("a long message passes", lambda: writes(alice, bob, "x" * 30_000, b, a))
    report.check("alice calls bob, who answers", calls)
    report.check("bob hears alice", lambda: hears(bob))
    report.check("alice hears bob", lambda: hears(alice))
    report.check("bob hangs up, and alice's page hears of it", hangs_up)


def with_a_phone(report, alice, erin):
    def registers():
        erin.start()
        erin.expect_registered(WAIT_SECS)

    def alice_writes():
        expect(alice.do("write", to=erin.aor, text="good evening"), status=200)
        erin.expect_message("good evening", WAIT_SECS)

    def erin_writes():
        erin.command("message", "good night")
        expect(alice.expect("message"), text="good night", **{"from": erin.aor})

    def alice_calls():
        expect(alice.do("call", to=erin.aor), status=488)
        erin.expect("CALL_CLOSED", WAIT_SECS)

    def erin_calls():
        erin.command("dial", "sip:alice@contoso.example")
        closed = erin.expect("CALL_CLOSED", WAIT_SECS)
        if not closed["param"].startswith("488"):
            raise RuntimeError(f"closed with {closed['param']}")

    report.check("erin@fabrikam registers a baresip over TLS", registers)
    report.check("alice writes to erin", alice_writes)
    report.check("erin writes to alice", erin_writes)
    report.check("alice calls erin, whose phone has no keys for her", alice_calls)
    report.check("erin calls alice, whose browser has none for her", erin_calls)


def strangers(report, servers, chromium, folder):
    def elsewhere():
        page = Page(chromium, "dave", "https://evil.example")
        expect(connect(servers, page, "contoso"), closed=1006)
        # The page is not told why; who runs the server is.
        log = Path(servers.facts["CONTOSO_CONFIG"]).with_name("server.log").read_text()
        if "origin-not-allowed" not in log or "https://evil.example" not in log:
            raise RuntimeError(f"the log does not say that the page was refused: {log[-500:]}")

    def no_user():
        page = Page(chromium, "nobody", "https://contoso.example")
        expect(connect(servers, page, "contoso"), status=401)

    def untold():
        browser = Chromium(folder / "untold", None)
        try:
            page = Page(browser, "dave", "https://contoso.example")
            expect(connect(servers, page, "contoso"), closed=1006)
        finally:
            browser.end()

    report.check("a page from elsewhere gets no WebSocket", elsewhere)
    report.check("a page with a wrong password is not signed in", no_user)
    report.check("a browser that does not know the authority does not connect", untold)


def behind_a_proxy(report, servers, chromium, alice, folder):
    """With nginx as docs/operate/browsers.md sets it up."""
    proxy = Nginx(folder / "nginx", servers.facts)
    try:
        report.check("dave registers through nginx, and writes to alice", lambda: dave_comes(servers, chromium, alice))
    finally:
        proxy.end()


def dave_comes(servers, chromium, alice):
    dave = Page(chromium, "dave", "https://contoso.example")
    url = "wss://contoso.example:8443/sip"
    password = servers.facts["DAVE_PASSWORD"]
    expect(dave.do("connect", url=url, uri="sip:dave@contoso.example", password=password), status=200)
    expect(dave.do("write", to="alice@contoso.example", text="by another way"), status=200)
    expect(alice.expect("message"), text="by another way")


def returns(report, servers, alice, bob):
    def comes_back():
        expect(alice.do("lose_connection"), status=200)
        expect(bob.do("write", to="alice@contoso.example", text="there again?"), status=200)
        expect(alice.expect("message"), text="there again?")

    def leaves():
        expect(alice.do("sign_out"), status=200)
        expect_devices(servers, "alice", "contoso", 0)

    report.check("alice's page loses its connection and comes back", comes_back)
    report.check("alice signs out", leaves)


sys.exit(play("jssip", WHOLE_RUN_SECS, converse))

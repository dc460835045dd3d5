"""What the checks share: alice, who is odd, and dave, to whom she speaks."""

import functools
from contextlib import ExitStack

from wire import Phone


def check(*transports):
    """A check, over these transports or all: called with alice's phone, not signed in, and dave's, signed in by the same one."""

    def mark(work):
        @functools.wraps(work)
        def run(facts, transport):
            with ExitStack() as stack:
                alice, dave = Phone(facts, "alice", transport), Phone(facts, "dave", transport)
                stack.callback(alice.close)
                stack.callback(dave.close)
                sign_in(dave)
                stack.callback(sign_out, dave)
                work(alice, dave)

        run.is_check, run.transports = True, transports or ("UDP", "TCP", "TLS")
        return run

    return mark


def request(phone, method, uri, *headers, call=None, to=None, cseq=None, body="", maximum=70):
    """A builder for Phone.begin: what a plain phone sends, and the headers that are wanted in it."""
    Phone.serial += 1
    call = call or f"odd-{Phone.serial}"
    own = f"<sip:{phone.user}@{phone.domain}>"

    def build(number, credentials):
        lines = [
            f"{method} {uri} SIP/2.0", f"Via: {phone.via()}", f"Max-Forwards: {maximum}", f"From: {own};tag=odd",
            f"To: {to or (own if method == 'REGISTER' else f'<{uri}>')}", f"Call-ID: {call}",
            f"CSeq: {(cseq or 0) + number} {method}", *headers,
        ]  # fmt: skip
        return "\r\n".join(lines) + f"\r\n{credentials}Content-Length: {len(body.encode())}\r\n\r\n{body}"

    return build


def register(phone, *headers, **options):
    """What becomes of a registration."""
    return phone.begin(request(phone, "REGISTER", f"sip:{phone.domain}", *headers, **options))


def sign_in(phone):
    answer = register(phone, f"Contact: {phone.contact}", "Expires: 60")
    expect(answer, 200)


def sign_out(phone):
    expect(register(phone, "Contact: *", "Expires: 0"), 200)


def expect(answer, *statuses):
    if answer is None or answer.status not in statuses:
        raise AssertionError(f"not {statuses}: {answer.text if answer else 'the other phone was asked'}")
    return answer


def comes(alice, dave, build, method=None, **options):
    """What alice begins comes to dave; the options are those of her credentials."""
    answer = alice.begin(build, dave, **options)
    if answer is not None:
        raise AssertionError(f"alice was told: {answer.text}")
    got = dave.take()
    if method:
        equal(got.start.split()[0], method)
    return got


def delivered(alice, dave, build, method="MESSAGE", **options):
    """Comes to dave, and his 200 to alice."""
    got = comes(alice, dave, build, method, **options)
    dave.respond(got, 200)
    return got, alice.until(200)


def equal(one, other):
    if one != other:
        raise AssertionError(f"{one!r} and not {other!r}")

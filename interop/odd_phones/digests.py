"""Digest, answered in all ways that are right, and in some that are not (RFC 7616, RFC 8760)."""

from scene import check, delivered, expect, request

DAVE = "sip:dave@contoso.example"


def is_stale(answer):
    return all("stale=true" in value.lower() for value in answer.all("proxy-authenticate"))


@check()
def each_algorithm(alice, _):
    for algorithm in ("MD5", "SHA-256"):
        expect(alice.begin(request(alice, "PUBLISH", "sip:alice@contoso.example", "Event: odd"), algorithm=algorithm), 489)


@check("UDP", "TCP")
def no_quality_of_protection(alice, _):
    # It was asked for: without it, what was overheard could be said again.
    answer = alice.begin(request(alice, "PUBLISH", "sip:alice@contoso.example", "Event: odd"), qop=None)
    expect(answer, 407)


@check("UDP", "TCP")
def the_body_too_is_proven(alice, _):
    # Not offered, and stronger than what is.
    build = request(alice, "PUBLISH", "sip:alice@contoso.example", "Event: odd", body="said")
    expect(alice.begin(build, qop="auth-int"), 489)
    alice.send(build(3, ""))
    challenge = expect(alice.outcome(None), 407)
    text = build(4, "CREDENTIALS\r\n")
    proven = text.replace("CREDENTIALS", alice.credentials(challenge, text, qop="auth-int"))
    alice.send(proven.replace("\r\n\r\nsaid", "\r\n\r\nsa1d"))
    expect(alice.outcome(None), 407)


@check("UDP", "TCP")
def words_in_quotes_that_need_none(alice, dave):
    def line(value):
        return value.replace("algorithm=MD5", 'algorithm="MD5"').replace("qop=auth", 'qop="auth"').replace(", ", " ,\r\n  ")

    delivered(alice, dave, request(alice, "MESSAGE", DAVE), line=line)


@check("UDP", "TCP")
def words_in_other_letters_and_another_order(alice, dave):
    def line(value):
        scheme, parts = value.split(" ", 1)
        names = [part.split("=", 1) for part in parts.split(", ")]
        return scheme.upper() + " " + ",".join(f"{name.upper()} = {word}" for name, word in reversed(names)) + ", odd=1"

    delivered(alice, dave, request(alice, "MESSAGE", DAVE), line=line)


@check("UDP", "TCP")
def a_count_that_was_used_before(alice, _):
    build = request(alice, "PUBLISH", "sip:alice@contoso.example", "Event: odd")
    alice.send(build(1, ""))
    challenge = expect(alice.outcome(None), 407)
    for count, status in ((1, 489), (1, 407), (2, 489), (5, 489), (4, 407)):
        text = build(10 + count, "CREDENTIALS\r\n")
        alice.send(text.replace("CREDENTIALS", alice.credentials(challenge, text, nc=count)))
        answer = expect(alice.outcome(None), status)
        assert status == 489 or is_stale(answer), answer.text


@check("UDP", "TCP")
def a_nonce_of_somebody_else(alice, _):
    answer = alice.begin(request(alice, "PUBLISH", "sip:alice@contoso.example", "Event: odd"), nonce="of-another-server")
    assert is_stale(expect(answer, 407)), answer.text


@check("UDP", "TCP")
def credentials_for_others_stand_beside(alice, dave):
    others = 'Proxy-Authorization: Basic b2RkOm9kZA==', 'Proxy-Authorization: Digest username="x",realm="elsewhere",nonce="n",uri="sip:x",response="00000000000000000000000000000000"'
    got, _ = delivered(alice, dave, request(alice, "MESSAGE", DAVE, *others))
    assert not any("contoso.example" in value for value in got.all("proxy-authorization")), got.text

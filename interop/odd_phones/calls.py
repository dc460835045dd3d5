"""Calls as phones make them that are not the usual ones (RFC 3261 13 to 15, RFC 3262, 3264, 3311, 6086)."""

import re

from scene import check, comes, equal, request

DAVE = "sip:dave@contoso.example"
SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n"
TYPE = "Content-Type: application/sdp"


def invite(alice, *headers, **options):
    return request(alice, "INVITE", DAVE, f"Contact: {alice.contact}", *headers, **options)


class Dialog:
    """One side of a call, as it learnt it from an INVITE or its answer."""

    def __init__(self, phone, message, number=100):
        self.phone, self.number = phone, number
        mine, theirs = message.first("from"), message.first("to")
        routes = [part.strip() for value in message.all("record-route") for part in value.split(",")]
        if message.status is None:
            mine, theirs = theirs + ";tag=answer", mine
        else:
            routes.reverse()
        self.mine, self.theirs, self.routes, self.call = mine, theirs, routes, message.first("call-id")
        self.target = re.search(r"<([^>]*)>", message.first("contact"))[1]

    def send(self, method, *headers, number=None, body="", via=None):
        self.number += number is None
        lines = [f"{method} {self.target} SIP/2.0", f"Via: {via or self.phone.via()}", "Max-Forwards: 70"]
        lines += [f"Route: {route}" for route in self.routes]
        lines += [f"From: {self.mine}", f"To: {self.theirs}", f"Call-ID: {self.call}"]
        lines += [f"CSeq: {number or self.number} {method}", f"Contact: {self.phone.contact}", *headers]
        self.phone.send("\r\n".join(lines) + f"\r\nContent-Length: {len(body)}\r\n\r\n{body}")


def established(alice, dave, build, body=SDP):
    """Both sides of a call that dave took, the ACK at him."""
    got = comes(alice, dave, build, "INVITE")
    dave.respond(got, 200, f"Contact: {dave.contact}", TYPE, body=body)
    answer = alice.until(200)
    caller = Dialog(alice, answer)
    caller.send("ACK", TYPE, number=2, body=SDP if not got.body else "")
    equal(dave.take().method, "ACK")
    return caller, Dialog(dave, got), got


def passes(sender, receiver, method, *headers, body="", status=200, answer=""):
    """Within the call: comes to the other side with its body, and the answer back."""
    sender.send(method, *headers, body=body)
    got = receiver.phone.take()
    equal(got.start.split()[0], method)
    equal(got.body.decode(), body)
    kind = (TYPE,) if answer else ()
    receiver.phone.respond(got, status, f"Contact: {receiver.phone.contact}", *kind, body=answer)
    back = sender.phone.until(status)
    equal(back.body.decode(), answer)
    if method == "INVITE" and status < 300:
        sender.send("ACK", number=sender.number)
        equal(receiver.phone.take().method, "ACK")
    return got


def ends(sender, receiver):
    passes(sender, receiver, "BYE")


@check()
def an_offer_in_the_answer(alice, dave):
    caller, callee, got = established(alice, dave, invite(alice))
    equal(got.body, b"")
    ends(caller, callee)


@check()
def an_offer_again_and_none(alice, dave):
    caller, callee, _ = established(alice, dave, invite(alice, TYPE, body=SDP))
    passes(caller, callee, "INVITE", TYPE, body=SDP, answer=SDP)
    passes(callee, caller, "INVITE", TYPE, body=SDP, answer=SDP)
    passes(caller, callee, "INVITE", answer=SDP)
    ends(callee, caller)


@check()
def held_in_the_new_way_and_in_the_old(alice, dave):
    caller, callee, _ = established(alice, dave, invite(alice, TYPE, body=SDP))
    passes(caller, callee, "INVITE", TYPE, body=SDP + "a=sendonly\r\n", answer=SDP + "a=recvonly\r\n")
    passes(caller, callee, "INVITE", TYPE, body=SDP.replace("c=IN IP4 192.0.2.1", "c=IN IP4 0.0.0.0"), answer=SDP)
    passes(caller, callee, "UPDATE", TYPE, body=SDP, answer=SDP)
    ends(caller, callee)


@check()
def tones_by_info_and_what_nobody_knows(alice, dave):
    caller, callee, _ = established(alice, dave, invite(alice, TYPE, body=SDP))
    passes(caller, callee, "INFO", "Content-Type: application/dtmf-relay", body="Signal=5\r\nDuration=160\r\n")
    passes(callee, caller, "INFO", "Content-Type: application/dtmf", body="5")
    passes(caller, callee, "WAVE", "X-Odd: 1", status=501)
    passes(callee, caller, "OPTIONS")
    ends(callee, caller)


@check()
def early_sound_prack_and_update(alice, dave):
    got = comes(alice, dave, invite(alice, TYPE, "Supported: 100rel", "Require: 100rel", body=SDP), "INVITE")
    dave.respond(got, 183, f"Contact: {dave.contact}", "Require: 100rel", "RSeq: 776655", TYPE, body=SDP)
    progress = alice.until(183)
    equal(progress.first("rseq"), "776655")
    equal(progress.body.decode(), SDP)
    caller, callee = Dialog(alice, progress), Dialog(dave, got)
    passes(caller, callee, "PRACK", "RAck: 776655 2 INVITE")
    passes(caller, callee, "UPDATE", TYPE, body=SDP, answer=SDP)
    passes(callee, caller, "UPDATE", TYPE, body=SDP, answer=SDP)
    dave.respond(got, 200, f"Contact: {dave.contact}")
    alice.until(200)
    caller.send("ACK", number=2)
    equal(dave.take().method, "ACK")
    ends(caller, callee)


def cancelled(alice, text):
    """The CANCEL of an INVITE, as it was sent."""
    head = text.partition("\r\n\r\n")[0].split("\r\n")
    keep = [line for line in head if re.match(r"(?i)(via|from|to|call-id|max-forwards):", line)]
    uri, number = head[0].split()[1], re.search(r"CSeq: (\d+)", text)[1]
    alice.send("\r\n".join([f"CANCEL {uri} SIP/2.0", *keep, f"CSeq: {number} CANCEL", "Content-Length: 0"]) + "\r\n\r\n")


def ringing(alice, dave):
    """What came to dave, who rings, and the INVITE as alice last sent it."""
    sent, build = [], invite(alice, TYPE, body=SDP)

    def keeping(number, credentials):
        sent.append(build(number, credentials))
        return sent[-1]

    got = comes(alice, dave, keeping, "INVITE")
    dave.respond(got, 180)
    alice.until(180)
    return got, sent[-1]


@check()
def taken_back_while_it_rings(alice, dave):
    got, text = ringing(alice, dave)
    cancelled(alice, text)
    both = {alice.take().text.split()[1]}
    cancel = dave.take()
    equal(cancel.method, "CANCEL")
    dave.respond(cancel, 200)
    dave.respond(got, 487)
    equal(dave.take().method, "ACK")
    refusal = alice.take()
    both.add(str(refusal.status))
    equal(both, {"200", "487"})
    alice.acknowledge_refusal(text, refusal)
    alice.nothing()


@check()
def taken_back_too_late(alice, dave):
    got, text = ringing(alice, dave)
    dave.respond(got, 200, f"Contact: {dave.contact}", TYPE, body=SDP)
    cancelled(alice, text)
    answers = [alice.take(), alice.take()]
    taken = next(answer for answer in answers if answer.method == "INVITE")
    equal(taken.status, 200)
    assert next(answer for answer in answers if answer.method == "CANCEL").status in (200, 481)
    caller, callee = Dialog(alice, taken), Dialog(dave, got)
    caller.send("ACK", number=2)
    later = dave.take()
    if later.method == "CANCEL":
        dave.respond(later, 481)
        later = dave.take()
    equal(later.method, "ACK")
    ends(caller, callee)


@check()
def ended_twice(alice, dave):
    caller, callee, _ = established(alice, dave, invite(alice, TYPE, body=SDP))
    ends(caller, callee)
    caller.send("BYE")
    answer = alice.outcome(dave)
    if answer is None:
        dave.respond(dave.take(), 481)
        answer = alice.until(481)
    equal(answer.status, 481)


@check()
def ended_by_both_at_once(alice, dave):
    caller, callee, _ = established(alice, dave, invite(alice, TYPE, body=SDP))
    caller.send("BYE")
    callee.send("BYE")
    for phone in (alice, dave):
        bye = phone.take()
        equal(bye.start.split()[0], "BYE")
        phone.respond(bye, 200)
    for phone in (alice, dave):
        phone.until(200)


@check()
def an_ack_that_was_lost(alice, dave):
    got = comes(alice, dave, invite(alice, TYPE, body=SDP), "INVITE")
    for _ in range(3):
        dave.respond(got, 200, f"Contact: {dave.contact}", TYPE, body=SDP)
        caller = Dialog(alice, alice.until(200))
    caller.send("ACK", number=2)
    equal(dave.take().method, "ACK")
    caller.send("ACK", number=2)
    equal(dave.take().method, "ACK")
    ends(caller, Dialog(dave, got))


@check("UDP", "TLS")
def no_tag_while_it_rings(alice, dave):
    got = comes(alice, dave, invite(alice, TYPE, body=SDP), "INVITE")
    dave.respond(got, 180, tag=None)
    alice.until(180)
    dave.respond(got, 200, f"Contact: {dave.contact}", TYPE, body=SDP)
    caller = Dialog(alice, alice.until(200))
    caller.send("ACK", number=2)
    equal(dave.take().method, "ACK")
    ends(caller, Dialog(dave, got))


@check("UDP", "TCP")
def within_a_call_that_nobody_knows(alice, dave):
    caller, callee, _ = established(alice, dave, invite(alice, TYPE, body=SDP))
    strange = Dialog.__new__(Dialog)
    strange.__dict__.update(vars(caller))
    strange.theirs = "<sip:dave@contoso.example>;tag=invented"
    strange.send("BYE")
    answer = alice.outcome(dave)
    if answer is None:
        dave.respond(dave.take(), 481)
        answer = alice.until(481)
    assert answer.status in (407, 481), answer.text
    ends(caller, callee)

"""MESSAGE, OPTIONS and methods that nobody knows, in odd writing (RFC 3261 7.3, 20; RFC 4475)."""

from scene import check, comes, delivered, equal, expect, request

DAVE = "sip:dave@contoso.example"


@check()
def compact_and_folded_headers(alice, dave):
    def build(number, credentials):
        return (
            f"MESSAGE {DAVE} SIP/2.0\r\nv:\r\n {alice.via()}\r\nMax-Forwards:\r\n\t70\r\nf: \"Alice\r\n Odd\"\r\n"
            f"  <sip:alice@contoso.example>\r\n ;tag=odd\r\nt:<{DAVE}>\r\ni: compact-{alice.place}\r\n"
            f"CSeq: {number}\r\n MESSAGE\r\n{credentials}c:text/plain\r\ns: a\r\n  b\r\nl: 5\r\n\r\nhello"
        )

    got, _ = delivered(alice, dave, build)
    equal(got.body, b"hello")


@check()
def white_space_and_letters_as_they_come(alice, dave):
    def build(number, credentials):
        via = alice.via().replace("SIP/2.0/", "SIP / 2.0 / ")
        return (
            f"MESSAGE {DAVE} SIP/2.0\r\nvIA  : {via}\r\nMAX-FORWARDS:70\r\nfrom\t:<sip:alice@contoso.example> ; TAG = odd\r\n"
            f"tO:  <{DAVE}>  \r\ncall-id : spaces-{alice.place}\r\nCSEQ:    {number}    MESSAGE   \r\n{credentials}"
            "CONTENT-type  :  text/plain;charset=utf-8\r\ncontent-LENGTH  :  3\r\n\r\nabc"
        )

    got, _ = delivered(alice, dave, build)
    equal(got.body, b"abc")


@check()
def several_vias_in_one_line(alice, dave):
    def build(number, credentials):
        plain = request(alice, "MESSAGE", DAVE, call=f"vias-{alice.place}")(number, credentials)
        return plain.replace(";rport\r\n", ";rport, SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK-first;received=192.0.2.8\r\n", 1)

    _, answer = delivered(alice, dave, build)
    vias = [part for value in answer.all("via") for part in value.split(",")]
    equal(len(vias), 2)
    assert "192.0.2.9" in vias[1], vias


@check()
def a_name_in_quotes_with_escapes_and_other_letters(alice, dave):
    name = '"Ali\\"ce \\\\ <x@y>, Ünïcödé 🙂;tag=no"'

    def build(number, credentials):
        plain = request(alice, "MESSAGE", DAVE, call=f"name-{alice.place}")(number, credentials)
        return plain.replace("From: <", f"From: {name} <")

    got, _ = delivered(alice, dave, build)
    assert got.first("from").startswith(name), got.text


@check()
def no_body_and_no_type(alice, dave):
    got, _ = delivered(alice, dave, request(alice, "MESSAGE", DAVE))
    equal(got.body, b"")


@check("UDP")
def no_length_in_a_datagram(alice, dave):
    def build(number, credentials):
        plain = request(alice, "MESSAGE", DAVE, "Content-Type: text/plain", body="all of it", call=f"l-{alice.place}")(number, credentials)
        return plain.replace("Content-Length: 9\r\n", "")

    got, _ = delivered(alice, dave, build)
    equal(got.body, b"all of it")


@check("UDP")
def more_in_a_datagram_than_its_length(alice, dave):
    def build(number, credentials):
        return request(alice, "MESSAGE", DAVE, "Content-Type: text/plain", body="enough", call=f"m-{alice.place}")(number, credentials) + "XX"

    got, _ = delivered(alice, dave, build)
    equal(got.body, b"enough")


@check()
def headers_parameters_and_types_that_nobody_knows(alice, dave):
    odd = ["X-Odd: a;b=\"c,d\"", "P-Nobody: 1", "Content-Type: application/x-odd;p=\"q;r\"", "Subject:", "Accept: */*;q=0.1"]
    got, _ = delivered(alice, dave, request(alice, "MESSAGE", DAVE + ";odd=1;user=phone", *odd, body="\x01\x02"))
    equal(got.first("x-odd"), 'a;b="c,d"')
    equal(got.first("p-nobody"), "1")
    equal(got.first("content-type"), 'application/x-odd;p="q;r"')


@check()
def a_method_that_nobody_knows(alice, dave):
    got = comes(alice, dave, request(alice, "WAVE", DAVE), "WAVE")
    dave.respond(got, 501)
    alice.until(501)


@check("UDP", "TCP")
def a_method_is_what_it_is_in_its_letters(alice, dave):
    got = comes(alice, dave, request(alice, "message", DAVE), "message")
    dave.respond(got, 405, "Allow: MESSAGE")
    equal(alice.until(405).first("allow"), "MESSAGE")


@check()
def options_to_the_server(alice, _):
    answer = expect(alice.begin(request(alice, "OPTIONS", "sip:contoso.example")), 200)
    assert answer.first("allow"), answer.text


@check()
def options_to_a_user(alice, dave):
    _, answer = delivered(alice, dave, request(alice, "OPTIONS", DAVE), "OPTIONS")
    assert answer.status == 200


@check()
def a_very_long_call_id(alice, dave):
    call = "c" * 200 + f"{alice.transport}@odd"
    got, _ = delivered(alice, dave, request(alice, "MESSAGE", DAVE, call=call))
    equal(got.first("call-id"), call)


@check("UDP", "TLS")
def the_highest_number(alice, dave):
    got, _ = delivered(alice, dave, request(alice, "MESSAGE", DAVE, cseq=2**31 - 3))
    equal(got.first("cseq"), f"{2**31 - 1} MESSAGE")


@check("UDP", "TLS")
def a_number_beyond_the_highest(alice, _):
    expect(alice.begin(request(alice, "MESSAGE", DAVE, cseq=2**31)), 400)


@check()
def no_more_hops(alice, _):
    expect(alice.begin(request(alice, "MESSAGE", DAVE, maximum=0)), 483)


@check()
def an_extension_that_a_proxy_requires(alice, _):
    answer = expect(alice.begin(request(alice, "MESSAGE", DAVE, "Proxy-Require: unheard-of")), 420)
    equal(answer.first("unsupported"), "unheard-of")


@check()
def an_extension_that_the_other_phone_requires_is_its_own_matter(alice, dave):
    got = comes(alice, dave, request(alice, "MESSAGE", DAVE, "Require: unheard-of"), "MESSAGE")
    dave.respond(got, 420, "Unsupported: unheard-of")
    equal(alice.until(420).first("unsupported"), "unheard-of")


@check()
def an_extension_required_of_the_server_itself(alice, _):
    answer = expect(alice.begin(request(alice, "OPTIONS", "sip:contoso.example", "Require: unheard-of")), 420)
    equal(answer.first("unsupported"), "unheard-of")


@check()
def a_number_and_no_address(alice, _):
    expect(alice.begin(request(alice, "MESSAGE", "tel:+1-201-555-0123")), 404, 416)


@check("UDP", "TLS")
def a_scheme_that_nobody_knows(alice, _):
    expect(alice.begin(request(alice, "MESSAGE", "nobodyKnowsThisScheme:totallyopaquecontent")), 416)


@check()
def a_route_to_ourselves_that_is_loose_by_another_word(alice, dave):
    for route in ("<sip:contoso.example;lr=on>", "<sip:sip.contoso.example;lr=true>", "\"Us\" <sip:contoso.example;transport=tls;lr>"):
        got, _ = delivered(alice, dave, request(alice, "MESSAGE", DAVE, f"Route: {route}"))
        equal(got.all("route"), [])


@check()
def no_tag_in_an_answer(alice, dave):
    got = comes(alice, dave, request(alice, "MESSAGE", DAVE), "MESSAGE")
    dave.respond(got, 200, tag=None)
    alice.until(200)


@check()
def an_answer_with_words_and_headers_of_its_own(alice, dave):
    got = comes(alice, dave, request(alice, "MESSAGE", DAVE), "MESSAGE")
    dave.respond(got, 299, "X-Odd: yes", "Warning: 399 dave \"odd\"")
    equal(alice.until(299).first("x-odd"), "yes")


@check("TCP", "TLS")
def two_in_one_piece_and_one_in_two(alice, dave):
    builds = [request(alice, "OPTIONS", "sip:contoso.example")(1, "") for _ in range(2)]
    alice.send("\r\n\r\n" + builds[0] + builds[1][:40])
    expect(alice.take(), 200, 401, 407)
    alice.send(builds[1][40:])
    expect(alice.take(), 200, 401, 407)
    delivered(alice, dave, request(alice, "MESSAGE", DAVE))

"""REGISTER in all its forms (RFC 3261 10)."""

from scene import check, equal, expect, register


def contacts(answer):
    return sorted(part.strip() for value in answer.all("contact") for part in value.split(", "))


def address(number):
    return f"sip:alice@192.0.2.{number}:5060"


def gone(alice):
    expect(register(alice, "Contact: *", "Expires: 0"), 200)


@check()
def contact_without_brackets(alice, _):
    answer = expect(register(alice, f"Contact: {address(1)};expires=120"), 200)
    (contact,) = contacts(answer)
    assert address(1) in contact and "expires=120" in contact, contact
    gone(alice)


@check()
def several_contacts_with_q_in_one_line(alice, _):
    answer = expect(register(alice, f"Contact: <{address(1)}>;q=0.5, \"A, b\" <{address(2)}>;q=1.0", "Expires: 100"), 200)
    told = answer.text
    assert address(1) in told and address(2) in told and "q=0.5" in told and "q=1" in told, told
    gone(alice)


@check()
def several_devices_and_one_of_them_leaves(alice, _):
    expect(register(alice, f"Contact: <{address(1)}>", "Expires: 100"), 200)
    expect(register(alice, f"Contact: <{address(2)}>", "Expires: 100"), 200)
    equal(len(contacts(expect(register(alice), 200))), 2)
    answer = expect(register(alice, f"Contact: <{address(1)}>;expires=0"), 200)
    (contact,) = contacts(answer)
    assert address(2) in contact, contact
    gone(alice)
    equal(contacts(expect(register(alice), 200)), [])


@check("UDP")
def a_star_has_to_stand_alone_and_with_expires_0(alice, _):
    expect(register(alice, "Contact: *", "Expires: 60"), 400)
    expect(register(alice, "Contact: *"), 400)
    expect(register(alice, f"Contact: *, <{address(1)}>", "Expires: 0"), 400)


@check("UDP")
def an_expires_that_nobody_can_read_is_an_hour(alice, _):
    # RFC 3261 10.2.1.1.
    answer = expect(register(alice, f"Contact: <{address(1)}>;expires=soon"), 200)
    assert "expires=3600" in answer.text, answer.text
    gone(alice)


@check("UDP")
def an_expires_beyond_all_bounds_is_made_shorter(alice, _):
    answer = expect(register(alice, f"Contact: <{address(1)}>", "Expires: 4294967295"), 200)
    assert "expires=4294967295" not in answer.text, answer.text
    gone(alice)


@check("UDP")
def too_short_an_expires_is_told_the_shortest(alice, _):
    answer = expect(register(alice, f"Contact: <{address(1)}>", "Expires: 1"), 423)
    assert int(answer.first("min-expires")) > 1, answer.text


@check("UDP")
def what_is_older_within_a_call_id_changes_nothing(alice, _):
    expect(register(alice, f"Contact: <{address(1)}>", "Expires: 100", call="one", cseq=10), 200)
    answer = register(alice, f"Contact: <{address(1)}>", "Expires: 0", call="one", cseq=3)
    assert answer.status >= 400, answer.text
    equal(len(contacts(expect(register(alice), 200))), 1)
    gone(alice)


@check()
def an_extension_that_a_registration_requires(alice, _):
    answer = expect(register(alice, "Require: unheard-of, another", f"Contact: {alice.contact}"), 420)
    equal(sorted(part.strip() for part in answer.first("unsupported").split(",")), ["another", "unheard-of"])


@check("TCP")
def a_name_in_capitals_is_the_same(alice, _):
    own = "<sip:alice@CONTOSO.Example>"
    expect(register(alice, f"CONTACT:{alice.contact}", "eXPIRES  :\t100", to=own), 200)
    gone(alice)


def is_there(alice, number):
    return any(address(number) in contact for contact in contacts(expect(register(alice), 200)))


@check("UDP")
def a_contact_with_a_header_and_a_parameter_is_told_again(alice, _):
    odd = f"{address(1)};transport=udp;ob;x=%20y"
    expect(register(alice, f"Contact: \"Odd \\\"one\\\"\" <{odd}>;+sip.x=\"<a>\"", "Expires: 100"), 200)
    assert odd in expect(register(alice), 200).text
    assert is_there(alice, 1)
    gone(alice)

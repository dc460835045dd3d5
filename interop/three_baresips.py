"""Three baresips of three organisations, each with a tone of its own."""

from baresip_phone import Baresip
from sound import loudness, write_tone

# Organisation, tone in hertz, and the first of its ports.
PEOPLE = {
    "alice": ("CONTOSO", 440, 15060),
    "bob": ("FABRIKAM", 880, 15070),
    "carol": ("LITWARE", 660, 15080),
}
# Of full scale: a tone that is there, at its own loudness, and what the codec leaves of one that is not.
HEARD_DB, SILENT_DB = -30, -45


def three(facts, folder):
    return {name: phone(facts, folder, name) for name in PEOPLE}


def phone(facts, folder, name, **account):
    organisation, hertz, port = PEOPLE[name]
    home = folder / name
    home.mkdir()
    write_tone(home / "tone.wav", hertz, seconds=90)
    place = facts[organisation + "_TLS"]
    edge = f"{facts[organisation + '_EDGE']}:{place.rsplit(':', 1)[1]}"
    return Baresip(
        home, aor=f"{name}@{organisation.lower()}.example", password=facts[name.upper() + "_PASSWORD"], edge=edge,
        place=place, ca=facts["CA"], dns=facts["DNS"], port=port, peer="dave@contoso.example", **account,
    )  # fmt: skip


def expect_heard(path, others, since, until):
    """Fails unless in that part of a recording the tones of these are there, and no others."""
    for other, (_, hertz, _) in PEOPLE.items():
        level = loudness(path, hertz, since, until)
        if not (level > HEARD_DB if other in others else level < SILENT_DB):
            raise RuntimeError(f"{other}'s {hertz} Hz is there at {level:.0f} dB of full scale")

"""Tones, and what is left of them after a call."""

import math
import struct
import time
import wave

RATE = 8000


def write_tone(path, hertz, seconds=30):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        samples = (int(9000 * math.sin(2 * math.pi * hertz * i / RATE)) for i in range(RATE * seconds))
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))


def expect_tone(path, hertz, hertz_off_max=5):
    """Fails unless that is what was recorded. A phone may write on for a moment after its call."""
    deadline = time.monotonic() + 5
    while True:
        try:
            heard = dominant_hertz(path)
            if abs(heard - hertz) <= hertz_off_max:
                return
            problem = RuntimeError(f"expected {hertz} Hz, heard {heard:.0f} Hz")
        except (RuntimeError, OSError, EOFError, wave.Error) as error:
            problem = error
        if time.monotonic() > deadline:
            raise problem
        time.sleep(0.1)


def dominant_hertz(path):
    """By zero crossings in the middle half; fails when there is nothing loud enough to measure."""
    with wave.open(str(path), "rb") as file:
        rate, channels = file.getframerate(), file.getnchannels()
        # Some phones end before they have written how much there is.
        sound = file.readframes(file.getnframes())
        samples = struct.unpack(f"<{len(sound) // 2}h", sound)[::channels]
        count = len(samples)
    middle = samples[count // 4 : 3 * count // 4]
    if len(middle) < rate // 2:
        raise RuntimeError(f"the recording has only {count / rate:.1f} s")
    if max(map(abs, middle)) < 1000:
        raise RuntimeError("the recording is silent")
    crossings = sum(1 for before, after in zip(middle, middle[1:]) if before < 0 <= after)
    return crossings / (len(middle) / rate)


def loudness(path, hertz, since=0.0, until=None):
    """How loud that tone is in a part of a recording (seconds; below 0 from its end), against full scale, in dB."""
    samples, rate = part(path, since, until)
    count = len(samples)
    if count < rate // 4:
        raise RuntimeError(f"the recording has only {count / rate:.2f} s from {since:.1f} s on")
    # Goertzel: the power of one frequency.
    factor = 2 * math.cos(2 * math.pi * hertz / rate)
    last = before = 0.0
    for sample in samples:
        last, before = sample + factor * last - before, last
    power = last * last + before * before - factor * last * before
    amplitude = 2 * math.sqrt(max(power, 0.0)) / count
    return 20 * math.log10(max(amplitude, 0.01) / 32768)


def part(path, since, until):
    with wave.open(str(path), "rb") as file:
        rate, channels = file.getframerate(), file.getnchannels()
        # Some phones end before they have written how much there is.
        sound = file.readframes(10**9)
    samples = struct.unpack(f"<{len(sound) // 2}h", sound[: len(sound) // 2 * 2])[::channels]
    until = len(samples) / rate if until is None else until
    return samples[int(since * rate) : int(until * rate)], rate


def silences(path, hertz, heard_db):
    """The stretches without that tone between its first sound and its last, in milliseconds, as 20 ms frames tell."""
    samples, rate = part(path, 0.0, None)
    step = rate // 100
    factor = 2 * math.cos(2 * math.pi * hertz / rate)
    heard = []
    for start in range(0, len(samples) - 2 * step, step):
        last = before = 0.0
        for sample in samples[start : start + 2 * step]:
            last, before = sample + factor * last - before, last
        power = max(last * last + before * before - factor * last * before, 0.01)
        heard.append(20 * math.log10(math.sqrt(power) / step / 32768) > heard_db)
    inside = "".join("#" if one else "." for one in heard).strip(".")
    return [10 * len(stretch) for stretch in inside.split("#") if stretch]

"""The DNS of the zoo: each animal's SRV record, and the address that all of them share."""

import socket
import struct
import threading

SRV, ADDRESS, NXDOMAIN = 33, 1, 3


class NameServer:
    """Answers by UDP what it was told; says of everything else that it does not exist."""

    def __init__(self, address):
        self.targets = {}  # SRV name: (host, port)
        self.hosts = {}  # host: IPv4 address
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(address)
        threading.Thread(target=self.serve, daemon=True).start()

    def federates(self, domain, host, port, address):
        self.targets[f"_sipfederationtls._tcp.{domain}"] = (host, port)
        self.hosts[host] = address

    def serve(self):
        while True:
            packet, asker = self.socket.recvfrom(4096)
            self.socket.sendto(self.answer(packet), asker)

    def answer(self, packet):
        end = packet.index(b"\0", 12) + 1
        question = packet[12 : end + 4]
        asked = read_name(packet[12:end])
        (kind,) = struct.unpack("!H", packet[end : end + 2])
        records = []
        if kind == SRV and asked in self.targets:
            host, port = self.targets[asked]
            records.append(struct.pack("!HHH", 1, 1, port) + write_name(host))
        if kind == ADDRESS and asked in self.hosts:
            records.append(socket.inet_aton(self.hosts[asked]))
        known = asked in self.targets or asked in self.hosts
        flags = 0x8580 | (0 if known else NXDOMAIN)
        head = packet[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0)
        return head + question + b"".join(
            b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data for data in records
        )


def read_name(wire):
    labels, at = [], 0
    while wire[at]:
        labels.append(wire[at + 1 : at + 1 + wire[at]].decode("latin-1"))
        at += 1 + wire[at]
    return ".".join(labels).lower()


def write_name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"

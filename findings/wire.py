"""MQTT packet by packet, for the scripts beside it: nothing is resent, answered or hidden."""

import socket
import struct


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack("!H", len(data)) + data


def length(number):
    out = b""
    while True:
        number, low = divmod(number, 128)
        out += bytes([low | (128 if number else 0)])
        if not number:
            return out


class Client:
    """`level` is 4 for MQTT 3.1.1 and 5 for MQTT 5; `expiry` is the session expiry interval of MQTT 5 (s)."""

    def __init__(self, port, name, level, clean=True, expiry=0, user=None, password=None):
        self.level = level
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.settimeout(10)
        flags = (2 if clean else 0) | (0x80 if user else 0) | (0x40 if password else 0)
        head = text("MQTT") + bytes([level, flags]) + struct.pack("!H", 60)
        head += self.properties(b"\x11" + struct.pack("!I", expiry) if expiry else b"")
        self.send(0x10, head + text(name) + (text(user) if user else b"") + (text(password) if password else b""))
        kind, body = self.read()
        assert kind == 0x20, (kind, body)
        self.session_present, self.code = body[0] & 1, body[1]

    def properties(self, data=b""):
        return length(len(data)) + data if self.level == 5 else b""

    def send(self, kind, body):
        self.socket.sendall(bytes([kind]) + length(len(body)) + body)

    def publish(self, topic, payload, qos=0, pkid=1):
        self.send(0x30 | qos << 1, text(topic) + (struct.pack("!H", pkid) if qos else b"") + self.properties() + payload)

    def subscribe(self, topic, qos=0, pkid=1):
        """The broker's answer: the QoS that it grants, or why not."""
        self.send(0x82, struct.pack("!H", pkid) + self.properties() + text(topic) + bytes([qos]))
        while True:
            kind, body = self.read()
            if kind == 0x90:
                return body[-1]

    def release(self, pkid=1):
        self.send(0x62, struct.pack("!H", pkid))

    def goodbye(self):
        self.send(0xE0, b"")
        self.socket.close()

    def read(self, seconds=10):
        """The next packet as (first byte, rest); ("closed", b"") at the end, ("silent", b"") when none comes."""
        self.socket.settimeout(seconds)
        try:
            first = self.socket.recv(1)
            if not first:
                return "closed", b""
            size, shift = 0, 0
            while True:
                byte = self._exactly(1)[0]
                size |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    return first[0], self._exactly(size)
        except TimeoutError:
            return "silent", b""
        except (ConnectionError, EOFError):
            return "closed", b""

    def _exactly(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

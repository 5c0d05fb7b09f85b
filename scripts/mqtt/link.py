"""The link between publisher and broker, and everything that can be wrong with one.

A TCP proxy that cuts at any byte, slows down, passes nothing, or holds back one direction. It counts a
fault only if it hit a connection.
"""

import asyncio
import socket
import struct

CHUNK = 4096
# Close with RST instead of FIN.
RESET = struct.pack("ii", 1, 0)


class Link:
    def __init__(self, broker_port):
        self.broker_port = broker_port
        self.port = None
        self.connections = 0
        self.bytes = 0
        # New connections are closed at once.
        self.refuse = False
        # Held back: "up" is from the publisher to the broker.
        self.held = set()
        # Bytes a second, and seconds that every piece takes longer; none for as fast as it goes.
        self.speed = None
        self._armed = None
        self._pairs = set()
        self._changed = asyncio.Condition()
        self._server = None

    async def start(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self):
        if self._server is None:
            return
        self._server.close()
        await self.hold()
        self.cut()
        # The connections' tasks end by themselves, given a moment.
        await asyncio.sleep(0.05)

    def arm(self, after):
        """After so many more bytes, in both directions together, wherever in a packet that is: the future.

        The byte after which it happens is the last that passes before whoever waits does something.
        """
        self._armed = [after, asyncio.get_running_loop().create_future(), None]
        return self._armed[1]

    def arm_cut(self, after, reset):
        """The same, and the connection is cut there and then."""
        fired = self.arm(after)
        self._armed[2] = lambda: self.cut(reset)
        return fired

    def disarm(self):
        self._armed = None

    def cut(self, reset=False):
        """Whether there was anything to cut."""
        pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            for writer in pair:
                if reset:
                    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                writer.transport.abort()
        return bool(pairs)

    @property
    def alive(self):
        return bool(self._pairs)

    async def hold(self, *directions):
        """Lets nothing through in these directions from now on, until called again."""
        async with self._changed:
            self.held = set(directions)
            self._changed.notify_all()

    async def _accept(self, reader, writer):
        if self.refuse:
            writer.transport.abort()
            return
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self.broker_port)
        except OSError:
            writer.transport.abort()
            return
        for one in (writer, upstream[1]):
            one.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pair = (writer, upstream[1])
        self._pairs.add(pair)
        self.connections += 1
        try:
            await asyncio.gather(self._pass("up", reader, upstream[1]), self._pass("down", upstream[0], writer))
        finally:
            self._pairs.discard(pair)
            for one in pair:
                one.transport.abort()

    async def _pass(self, direction, reader, writer):
        try:
            while data := await reader.read(CHUNK):
                if self.speed:
                    rate, delay = self.speed
                    await asyncio.sleep(delay + len(data) / rate)
                async with self._changed:
                    await self._changed.wait_for(lambda: direction not in self.held)
                if writer.transport.is_closing():
                    break
                await self._write(data, writer)
        except OSError:
            pass
        # The other direction may still have something to say, as with a half-closed connection.
        if not writer.transport.is_closing():
            try:
                writer.write_eof()
            except (OSError, NotImplementedError):
                writer.transport.abort()

    async def _write(self, data, writer):
        if self._armed and self._armed[0] < len(data):
            after, fired, action = self._armed
            self._armed = None
            writer.write(data[:after])
            self.bytes += after
            if action is not None:
                action()
            if not fired.done():
                fired.set_result(True)
            # Whoever waits for it comes first.
            await asyncio.sleep(0)
            data = data[after:]
        elif self._armed:
            self._armed[0] -= len(data)
        if not writer.transport.is_closing():
            writer.write(data)
            self.bytes += len(data)
            await writer.drain()

"""The process that is killed: doorward's own store, outbox and pump (examples/chaos_publisher.rs)."""

import asyncio
from pathlib import Path

from mqtt.ending import with_parent

CONFIG = """\
[door]
site = "chaos"
name = "door"
[store]
path = "doorward.db"
[mqtt]
url = "{url}"
{trust}
{login}
protocol = "{protocol}"
# Short, so that a link that passes nothing is noticed.
keep_alive_s = 5
[mqtt.qos]
access = {qos}
state = {state_qos}
"""
TOPIC = "doorward/chaos/door/event/#"


class Publisher:
    def __init__(self, program, folder, *, url, ca, protocol, qos, events, retry_ms, login=None, state_qos=None):
        self.folder = Path(folder)
        self.config = self.folder / "doorward.toml"
        trust = "allow_plaintext = true" if ca is None else f'ca_file = "{ca}"'
        named = ""
        if login is not None:
            password = self.folder / "password"
            password.touch(0o600)
            password.write_text(login[1])
            named = f'username = "{login[0]}"\npassword_file = "{password}"'
        state_qos = qos if state_qos is None else state_qos
        settings = {"url": url, "trust": trust, "login": named, "protocol": protocol, "qos": qos, "state_qos": state_qos}
        self.config.write_text(CONFIG.format(**settings))
        self.database = self.folder / "doorward.db"
        self.connected = False
        self.connections = 0
        # So many events were recorded when the outbox was last seen empty.
        self.drained = -1
        self.rejected = 0
        # What was under way whenever a connection or a process ended.
        self.interrupted = []
        self._command = [program, self.config, str(events), str(retry_ms)]
        self._process = None
        self._reading = None
        self._order = None

    async def start(self):
        with (self.folder / "publisher.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                preexec_fn=with_parent,
            )
        self._reading = asyncio.create_task(self._read(self._process.stdout))
        if self._order:
            self._tell()

    def until(self, events, pause_us=0):
        """Record until there are so many; a process that is started later does so as well."""
        self._order = f"{events} {pause_us}\n".encode()
        if self.ended is None:
            self._tell()

    @property
    def ended(self):
        """Its exit code, or nothing while it runs."""
        return self._process.returncode if self._process else 0

    async def kill(self):
        """SIGKILL: nothing of it gets to say goodbye."""
        if self.ended is None:
            self._process.kill()
        await self._process.wait()
        await self._reading
        self.connected = False

    def _tell(self):
        self._process.stdin.write(self._order)

    async def _read(self, lines):
        while line := (await lines.readline()).decode():
            what, _, rest = line.strip().partition(" ")
            if what == "connected":
                self.connected = True
                self.connections += 1
            elif what == "disconnected":
                self.connected = False
                self.interrupted.append(int(rest.split()[0]))
            elif what == "resuming":
                self.interrupted.append(int(rest))
            elif what == "drained":
                self.drained = int(rest)
            elif what == "rejected":
                self.rejected += 1

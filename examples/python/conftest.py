"""A pytest fixture: `tcpserver("--send", "page.http", …)` starts the program, and ends it after the test."""
import json, os, queue, subprocess, threading

import pytest

PROGRAM = os.environ.get("TCPSERVER", "tcpserver")
OPTIONS = "--listen 127.0.0.1:0 --forever --journal - --sigterm-ok --quiet".split()


class Tcpserver:
    def __init__(self, folder, options):
        command = [PROGRAM, *OPTIONS, *options]
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE)
        self.lines = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        self.address = self.next("listening")["address"]
        self.url = f"http://{self.address}"

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def next(self, event, seconds=10):
        """The journal's next line with this event: it waits for it. docs/journal.md has all events."""
        while line := self.lines.get(timeout=seconds):
            if line["event"] == event:
                return line
        raise AssertionError(f"tcpserver has ended without `{event}`: its errors are on stderr")


@pytest.fixture
def tcpserver(tmp_path):
    started = []
    yield lambda *options: started.append(Tcpserver(tmp_path, options)) or started[-1]
    for server in started:
        server.process.terminate()
        assert server.process.wait(timeout=10) == 0, "something failed: see stderr"

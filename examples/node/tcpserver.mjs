// For node:test: `await tcpserver(t, folder, "--send", "page.http", …)` starts the program, and ends it after the test `t`.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const OPTIONS = "--listen 127.0.0.1:0 --forever --journal - --sigterm-ok --quiet".split(" ");

export async function tcpserver(t, folder, ...options) {
  const program = process.env.TCPSERVER ?? "tcpserver";
  const stdio = ["ignore", "pipe", "inherit"];
  const child = spawn(program, [...OPTIONS, ...options], { cwd: folder, stdio });
  const closed = once(child, "close");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  t.after(async () => {
    child.kill("SIGTERM");
    // What was not read yet would keep the pipe full.
    while (!(await lines.next()).done);
    const [code] = await closed;
    assert.equal(code, 0, "something failed: see stderr");
  });

  // The journal's next line with this event: it waits for it. docs/journal.md has all events.
  async function next(event) {
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error(`tcpserver has ended without ${event}: its errors are on stderr`);
      const line = JSON.parse(value);
      if (line.event === event) return line;
    }
  }

  const { address, port } = await next("listening");
  return { url: `http://${address}`, port, next };
}

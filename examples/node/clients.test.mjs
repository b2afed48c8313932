// fetch against good and broken answers: `TCPSERVER=$PWD/target/debug/tcpserver node --test examples/node`.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";

import { tcpserver } from "./tcpserver.mjs";

const PAGE = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello";
const BUSY = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

const folder = mkdtempSync(join(tmpdir(), "tcpserver-"));
after(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, "page.http"), PAGE);
writeFileSync(join(folder, "busy.http"), BUSY);
const page = ["--send", "page.http"];
const limit = { timeout: 30_000 };

test("a good answer", limit, async (t) => {
  const server = await tcpserver(t, folder, ...page);
  const answer = await fetch(`${server.url}/page`, { headers: { "X-Token": "1" } });
  assert.equal(await answer.text(), "hello");
  const request = await server.next("request");
  assert.equal(request.target, "/page");
  assert.match(request.text, /\r\nx-token: 1\r\n/i);
  assert.equal((await server.next("exchange")).sent, PAGE.length);
});

test("an answer that is cut off", limit, async (t) => {
  const server = await tcpserver(t, folder, ...page, "--cut", `${PAGE.length - 2}`);
  const answer = await fetch(server.url);
  await assert.rejects(answer.text(), TypeError);
});

test("a reset within the head", limit, async (t) => {
  const server = await tcpserver(t, folder, ...page, "--cut", "20:reset");
  await assert.rejects(fetch(server.url), TypeError);
});

test("a slow answer", limit, async (t) => {
  const server = await tcpserver(t, folder, ...page, "--delay", "500ms");
  const signal = AbortSignal.timeout(100);
  await assert.rejects(fetch(server.url, { signal }), { name: "TimeoutError" });
  assert.equal((await server.next("request")).end, "complete");
});

test("the third try succeeds", limit, async (t) => {
  const server = await tcpserver(t, folder, "--send", "busy.http", "--send", "busy.http", ...page);
  let answer;
  do {
    answer = await fetch(server.url);
  } while (answer.status === 503);
  assert.equal(await answer.text(), "hello");
  for (const exchange of [1, 2, 3]) {
    assert.equal((await server.next("request")).exchange, exchange);
  }
});

for (let start = 1; start <= Number(process.env.STARTS ?? 3); start += 1) {
  test(`it listens when it has started (${start})`, limit, async (t) => {
    const server = await tcpserver(t, folder, ...page);
    assert.equal(await (await fetch(server.url)).text(), "hello");
  });
}

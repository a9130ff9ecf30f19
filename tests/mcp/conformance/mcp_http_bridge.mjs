#!/usr/bin/env node
// Transparent Streamable-HTTP -> stdio bridge for MCP, to point HTTP-only test tools (the official conformance
// suite) at a stdio server. Plain Node, no dependency, loopback only, never rewrites a JSON-RPC body in either
// direction: each POST body goes to the child's stdin as one line, each stdout line goes back as it was written.
//   node mcp_http_bridge.mjs [--port 3130] [--path /mcp] [--log FILE] [--life S] [--prime 1] -- CMD ARGS...
// Without --port the kernel chooses one; the first line on stderr says which.
// --prime 1: the shared child first gets one modern tools/list of the bridge's own (reply dropped); only for servers
// that pin an era per process on the first message (TypeScript SDK serveStdio); a server that decides per message needs none.
// Stateful era: one child per initialize (Mcp-Session-Id). Modern era (a body whose _meta carries
// io.modelcontextprotocol/protocolVersion, or the header MCP-Protocol-Version >= 2026-07-28): one shared child.
// HTTP-only duties done HERE, so checks of them say nothing about the server: Host/Origin check (403), header/body
// match (-32020, 400), status codes (404 for -32601, 400 for -32602 _meta/-32021/-32022), SSE framing, sessions.
import http from 'node:http'; import fs from 'node:fs'; import { spawn } from 'node:child_process'; import { randomUUID } from 'node:crypto';
const a = process.argv.slice(2), o = { port: 0, path: '/mcp', log: '', life: 1800, prime: 0 }; let cmd = [];
for (let i = 0; i < a.length; i++) { if (a[i] === '--') { cmd = a.slice(i + 1); break; } const k = a[i].slice(2); if (!(k in o)) { console.error('unknown option ' + a[i]); process.exit(2); } o[k] = typeof o[k] === 'number' ? Number(a[++i]) : a[++i]; }
if (!cmd.length) { console.error('usage: mcp_http_bridge.mjs [--port N] -- CMD ARGS'); process.exit(2); }
const log = s => { if (o.log) fs.appendFileSync(o.log, s + '\n'); };
const PV = 'io.modelcontextprotocol/protocolVersion', kids = new Set(); let bad = 0, nkid = 0;

class Child {
  constructor() {
    this.n = ++nkid; this.post = new Map(); this.get = null; this.tok = new Map(); this.s2c = new Set(); this.queue = [];
    const c = this.c = spawn(cmd[0], cmd.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] }); kids.add(this); log(`# child ${this.n} pid ${c.pid}`);
    let rest = ''; c.stdout.setEncoding('utf8'); c.stdin.on('error', () => {});
    c.stdout.on('data', d => { rest += d; let i; while ((i = rest.indexOf('\n')) >= 0) { this.out(rest.slice(0, i)); rest = rest.slice(i + 1); } });
    c.on('exit', (code, sig) => { kids.delete(this); this.dead = true; log(`# child ${this.n} exit ${code} ${sig}`); for (const r of this.post.values()) r.end(); this.get?.end(); });
  }
  in(body) { const s = JSON.stringify(body); log(`C${this.n}> ${s}`); this.c.stdin.write(s + '\n'); }
  out(line) {
    log(`S${this.n}< ${line}`); let m; try { m = JSON.parse(line); } catch { bad++; console.error('NOT JSON on stdout: ' + line.slice(0, 200)); return; }
    if (m.id !== undefined && m.method === undefined) { const r = this.post.get(JSON.stringify(m.id)); if (r) { this.post.delete(JSON.stringify(m.id)); r.final(line, m); } else if (m.id !== 'bridge-prime') log('! response without a POST'); return; }
    const p = m.params ?? {}, sub = p._meta?.['io.modelcontextprotocol/subscriptionId'];
    let r = sub !== undefined ? this.post.get(JSON.stringify(sub)) : p.progressToken !== undefined ? this.post.get(this.tok.get(JSON.stringify(p.progressToken))) : undefined;
    if (!r && sub === undefined && !/list_changed$|resources\/updated$/.test(m.method)) r = [...this.post.values()].at(-1); // log message or 2025 server request: newest open POST
    if (r) r.event(line); else if (this.get) this.get.write(`event: message\ndata: ${line}\n\n`); else this.queue.push(line);
  }
  kill() { this.c.stdin.end(); const t = setTimeout(() => this.c.kill('SIGKILL'), 3000); this.c.on('exit', () => clearTimeout(t)); }
}
const sessions = new Map(); let shared = null;
const err = (res, status, id, code, message, data) => { res.writeHead(status, { 'content-type': 'application/json' }); res.end(JSON.stringify({ jsonrpc: '2.0', ...(id !== undefined ? { id } : {}), error: { code, message, ...(data ? { data } : {}) } })); };
const localHost = h => /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i.test(h ?? '');
const srv = http.createServer((req, res) => {
  const u = new URL(req.url, 'http://x'); if (u.pathname !== o.path) return err(res, 404, undefined, -32600, 'no such path');
  const og = req.headers.origin; let ogOk = true; if (og !== undefined) try { ogOk = localHost(new URL(og).host); } catch { ogOk = false; }
  if (!localHost(req.headers.host) || !ogOk) return err(res, 403, undefined, -32600, 'Host or Origin not allowed');
  const sid = req.headers['mcp-session-id'];
  if (req.method === 'GET' || req.method === 'DELETE') {
    if (!sid && String(req.headers['mcp-protocol-version'] ?? '') >= '2026') { res.writeHead(405, { allow: 'POST' }); return res.end(); }
    const c = sessions.get(sid); if (!c) return err(res, sid ? 404 : 400, undefined, -32600, 'unknown or missing session');
    if (req.method === 'DELETE') { sessions.delete(sid); c.kill(); res.writeHead(200); return res.end(); }
    if (c.get) return err(res, 409, undefined, -32600, 'only one GET stream');
    res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' }); res.flushHeaders(); c.get = res; for (const l of c.queue.splice(0)) res.write(`event: message\ndata: ${l}\n\n`); res.on('close', () => { c.get = null; }); return;
  }
  if (req.method !== 'POST') { res.writeHead(405, { allow: 'GET, POST, DELETE' }); return res.end(); }
  let b = ''; req.setEncoding('utf8'); req.on('data', d => { b += d; if (b.length > 1 << 24) req.destroy(); });
  req.on('end', () => {
    let m; try { m = JSON.parse(b); } catch { return err(res, 400, null, -32700, 'Parse error'); }
    const hv = req.headers['mcp-protocol-version'], mv = m?.params?._meta?.[PV], modern = mv !== undefined || (hv && hv >= '2026') || (!sid && m?.method !== 'initialize'); let c;
    if (modern) {
      const nm = { 'tools/call': m.params?.name, 'prompts/get': m.params?.name, 'resources/read': m.params?.uri }[m.method], hn = req.headers['mcp-name'], hm = req.headers['mcp-method'];
      if (mv !== undefined && hv !== mv) return err(res, 400, m.id, -32020, `MCP-Protocol-Version header ${hv ?? '(absent)'} does not match body ${mv}`);
      if (hm !== undefined ? hm !== m.method : mv !== undefined) return err(res, 400, m.id, -32020, 'Mcp-Method header mismatch');
      if (mv !== undefined && nm !== undefined && hn !== nm) return err(res, 400, m.id, -32020, 'Mcp-Name header mismatch');
      if (!shared || shared.dead || (m.id !== undefined && shared.post.has(JSON.stringify(m.id)))) { shared = new Child(); if (o.prime) shared.in({ jsonrpc: '2.0', id: 'bridge-prime', method: 'tools/list', params: { _meta: { [PV]: '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} } } }); } c = shared;
    } else if (m.method === 'initialize') { c = new Child(); c.sid = randomUUID(); sessions.set(c.sid, c); }
    else { c = sessions.get(sid); if (!c || c.dead) return err(res, sid ? 404 : 400, m.id, -32600, 'unknown or missing session'); }
    if (m.id === undefined || m.method === undefined) { c.in(m); res.writeHead(202); return res.end(); }
    const key = JSON.stringify(m.id), pt = m.params?._meta?.progressToken; if (pt !== undefined) c.tok.set(JSON.stringify(pt), key);
    const extra = c.sid ? { 'mcp-session-id': c.sid } : {}; let sse = false, done = false;
    const open = () => { if (!sse) { sse = true; res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache', ...extra }); } };
    c.post.set(key, {
      event: l => { open(); res.write(`event: message\ndata: ${l}\n\n`); },
      final: (l, r) => { done = true; if (sse) { res.write(`event: message\ndata: ${l}\n\n`); return res.end(); }
        const code = r.error?.code, st = !modern || !r.error ? 200 : code === -32601 ? 404 : [-32700, -32600, -32020, -32021, -32022].includes(code) || (code === -32602 && (mv === undefined || !m.params._meta['io.modelcontextprotocol/clientCapabilities'])) ? 400 : 200;
        res.writeHead(st, { 'content-type': 'application/json', ...extra }); res.end(l); },
      end: () => { if (!done) { done = true; if (sse) res.end(); else err(res, 502, m.id, -32603, 'server exited'); } } });
    res.on('close', () => { if (!done) { c.post.delete(key); if (modern && !c.dead) c.in({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: m.id, reason: 'stream closed' } }); } });
    c.in(m);
  });
});
srv.listen(o.port, '127.0.0.1', () => console.error(`bridge on http://127.0.0.1:${srv.address().port}${o.path}`));
const stop = () => { for (const k of kids) k.kill(); srv.close(); srv.closeAllConnections(); console.error(`children ${nkid}, non-JSON stdout lines ${bad}`); setTimeout(() => process.exit(bad ? 1 : 0), kids.size ? 3300 : 10); };
process.on('SIGTERM', stop); process.on('SIGINT', stop); setTimeout(stop, o.life * 1000).unref();

// Every process that a client starts, seen from outside it: both SDKs start them through child_process.spawn (the second one's
// throwaway copies for discovery too), which is wrapped here. Loaded into the Inspector by --import as well; there STEWARD_SERVERS
// names a file that gets a line of JSON for each server that has ended.
import fs from 'node:fs';
import { createRequire } from 'node:module';

const childProcess = createRequire(import.meta.url)('node:child_process');
const spawn = childProcess.spawn;

// {pid, stderr, ended: a promise of {code, signal, at}}, in the order of their starts.
export const servers = [];

childProcess.spawn = (...args) => {
  const child = spawn(...args);
  const server = { pid: child.pid, stderr: '' };
  child.stderr?.on('data', text => { server.stderr += text; });
  server.ended = new Promise(resolve => {
    let at;
    child.once('exit', () => { at = performance.now(); });
    // `close` comes when its stderr has been read to the end.
    child.once('close', (code, signal) => resolve({ code, signal, at }));
  });
  servers.push(server);
  const file = process.env.STEWARD_SERVERS;
  if (file) {
    server.ended.then(({ code, signal }) => {
      fs.appendFileSync(file, JSON.stringify({ pid: server.pid, stderr: server.stderr, code, signal }) + '\n');
    });
  }
  return child;
};

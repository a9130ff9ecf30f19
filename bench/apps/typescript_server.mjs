// typescript_server.mjs MODULES [BYTES]: what a minimal server with the TypeScript SDK looks like: one tool whose answer
// is BYTES long. MODULES is the node_modules folder that has the SDK.
import path from "node:path";
import { pathToFileURL } from "node:url";

const [modules, bytes = "200"] = process.argv.slice(2);
const sdk = (file) => import(pathToFileURL(path.join(modules, "@modelcontextprotocol/sdk/dist/esm/server", file)).href);
const { McpServer } = await sdk("mcp.js");
const { StdioServerTransport } = await sdk("stdio.js");

const around = '{"result":{"content":[{"type":"text","text":""}]},"jsonrpc":"2.0","id":10000}\n'.length;
const text = "x".repeat(Math.max(0, Number(bytes) - around));
const server = new McpServer({ name: "typescript", version: "1" });
server.registerTool("flask_status", { description: "Answers" }, async () => ({ content: [{ type: "text", text }] }));
await server.connect(new StdioServerTransport());

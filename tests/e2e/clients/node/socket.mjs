// A `ws` client that does what stdin says and tells what happens, a line of JSON each.
//
//   node socket.mjs URL [OPTIONS]     OPTIONS: {"protocols": […], "headers": {…}}, as `ws` takes them
//   stdin:  {"send": text} · {"sendBinary": base64} · {"close": [code, reason]} · {"close": []}
//   stdout: {"open": …} · {"refused": status} · {"message": text} · {"closed": [code, reason]} · {"error": text}

import { createInterface } from "node:readline";
import WebSocket from "ws";

const [url, options = "{}"] = process.argv.slice(2);
const { protocols = [], headers = {} } = JSON.parse(options);
const tell = (fact) => console.log(JSON.stringify(fact));

// Nothing else: what is tested is what `ws` does when it is left alone, and it offers permessage-deflate then.
const socket = new WebSocket(url, protocols, { headers });
socket.on("open", () => tell({ open: { protocol: socket.protocol, extensions: socket.extensions } }));
socket.on("unexpected-response", (request, response) => {
  tell({ refused: response.statusCode });
  process.exit();
});
socket.on("message", (data, isBinary) => tell(isBinary ? { binary: data.toString("base64") } : { message: data.toString() }));
socket.on("error", (error) => tell({ error: error.message }));
socket.on("close", (code, reason) => {
  tell({ closed: [code, reason.toString()] });
  process.exit();
});

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  if ("send" in asked) socket.send(asked.send);
  if ("sendBinary" in asked) socket.send(Buffer.from(asked.sendBinary, "base64"));
  if ("close" in asked) socket.close(...asked.close);
}
socket.terminate();

// The AWS SDK for JavaScript on @connections: one call, its outcome as a line of JSON.
//
//   node management.mjs ENDPOINT post|get|delete CONNECTION_ID [DATA]
//   stdout: {"status": …, "path": …, "answer": …} or {"status": …, "path": …, "error": NAME, "gone": bool}

import {
  ApiGatewayManagementApiClient,
  DeleteConnectionCommand,
  GetConnectionCommand,
  GoneException,
  PostToConnectionCommand,
} from "@aws-sdk/client-apigatewaymanagementapi";

const [endpoint, verb, ConnectionId, Data] = process.argv.slice(2);
const commands = { post: PostToConnectionCommand, get: GetConnectionCommand, delete: DeleteConnectionCommand };
const client = new ApiGatewayManagementApiClient({
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY },
  maxAttempts: 1,
});
let path;
client.middlewareStack.add((next) => (args) => {
  path = args.request.path;
  return next(args);
}, { step: "finalizeRequest", priority: "low", name: "seePath" });

try {
  const { $metadata, ...answer } = await client.send(new commands[verb]({ ConnectionId, Data }));
  console.log(JSON.stringify({ status: $metadata.httpStatusCode, path, answer }));
} catch (error) {
  const status = error.$metadata?.httpStatusCode;
  console.log(JSON.stringify({ status, path, error: error.name, gone: error instanceof GoneException }));
}

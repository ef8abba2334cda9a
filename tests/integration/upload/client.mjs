// A film on its way by the official client: node client.mjs '{"endpoint", "token", "film", "metadata", "chunk", "memory"}'
import { createReadStream, statSync } from "node:fs";
import { createRequire } from "node:module";

const said = JSON.parse(process.argv[2]);
const tus = createRequire(`${said.modules}/`)("tus-js-client");

const upload = new tus.Upload(createReadStream(said.film), {
  endpoint: said.endpoint,
  headers: { Authorization: `Bearer ${said.token}` },
  uploadSize: statSync(said.film).size,
  chunkSize: said.chunk,
  metadata: said.metadata,
  retryDelays: Array(200).fill(50),
  urlStorage: new tus.FileUrlStorage(said.memory),
  fingerprint: async () => `film ${said.film}`,
  onChunkComplete: (_, offset) => console.log(JSON.stringify({ offset })),
  onError: (error) => {
    console.log(JSON.stringify({ status: error.originalResponse?.getStatus(), body: error.originalResponse?.getBody() }));
    process.exit(1);
  },
  onSuccess: () => console.log(JSON.stringify({ url: upload.url })),
});
const [earlier] = await upload.findPreviousUploads();
if (earlier) upload.resumeFromPreviousUpload(earlier);
upload.start();

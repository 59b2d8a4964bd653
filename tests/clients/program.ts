// Calls a running service through types generated from its description, and prints the answers as JSON.
// Arguments: the service's address, and two users or more.

import createClient from "openapi-fetch";
import type { components, paths } from "./marquee.ts";

type Item = components["schemas"]["Recommended"];
type Line = components["schemas"]["LineAnswer"] | components["schemas"]["Problem"];

const [baseUrl, ...users] = process.argv.slice(2);
// Of an answer in JSON or NDJSON, `data` is the JSON form.
const client = createClient<paths, "application/json">({ baseUrl });
const one = "/api/recommendations/{user_id}";
const many = "/api/recommendations/batch";

function asked<T>(answer: { data?: T; response: Response }): T {
  if (answer.data === undefined) {
    throw new Error(`the service answered ${answer.response.status}`);
  }
  return answer.data;
}

function explanation(item: Item) {
  if (item.because_you_liked === undefined || item.score_parts === undefined) {
    throw new Error(`${item.id} has no explanation`);
  }
  const titles: (string | null)[] = item.because_you_liked.map((own) => own.title);
  return { reason: item.reason, titles, content: item.score_parts.content };
}

async function* lines(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Line> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body ?? []) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) {
      yield JSON.parse(line);
    }
  }
}

const user_id = users[0];
const page = asked(await client.GET(one, { params: { path: { user_id }, query: { limit: 3 } } }));
const explained = asked(
  await client.GET(one, { params: { path: { user_id }, query: { limit: 3, explain: true } } }),
);
const batch = asked(await client.POST(many, { body: { user_ids: users, limit: 3 } }));
const stream = asked(
  await client.POST(many, {
    body: { user_ids: users, limit: 3, explain: true },
    headers: { Accept: "application/x-ndjson" },
    parseAs: "stream",
  }),
);
const streamed: { user_id: string; reasons: (string | undefined)[] }[] = [];
const received: Line[] = [];
for await (const line of lines(stream)) {
  if ("error" in line) {
    throw new Error(line.error);
  }
  received.push(line);
  streamed.push({ user_id: line.user_id, reasons: line.recommendations.map((item) => item.reason) });
}
const refused = await client.GET(one, { params: { path: { user_id }, query: { limit: 0 } } });
if (refused.error === undefined) {
  throw new Error("a limit of 0 was allowed");
}

console.log(
  JSON.stringify({
    page,
    explained,
    explanations: explained.recommendations.map(explanation),
    batch,
    lines: received,
    reasons: streamed,
    error: { error: refused.error.error, code: refused.error.code },
  }),
);

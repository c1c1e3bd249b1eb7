/** A request to the server; its address, what it sends and its reply are those of `schema.ts`. */

import type { paths, Refusal } from './schema';

/** A refusal of the server, or no answer; the message says what to do. */
export class ApiError extends Error {
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string, status: number) {
    super(message);
    this.name = 'ApiError';
    this.code = code;
    this.status = status;
  }
}

export const NO_ANSWER = 'no_answer';

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** The addresses that know a method. */
type Path<M extends Method> = {
  [P in keyof paths]: paths[P][M] extends object ? P : never;
}[keyof paths];

/** What stands in the braces of an address. */
type Ids<Operation> = Operation extends { parameters: { path: infer Ids } }
  ? Ids
  : Record<string, never>;

/** What is sent along, if anything. */
type Sent<Operation> = Operation extends { requestBody: { content: infer Content } }
  ? [Content extends { 'application/json': infer Body } ? Body : FormData]
  : [];

type Reply<Operation> = Operation extends { responses: infer Replies }
  ? Content<Replies[keyof Replies & (200 | 201 | 202 | 204)]>
  : never;

type Content<Told> = Told extends { content: { 'application/json': infer Body } } ? Body : void;

export async function request<M extends Method, P extends Path<M>>(
  method: M,
  path: P,
  ids: Ids<paths[P][M]>,
  ...[body]: Sent<paths[P][M]>
): Promise<Reply<paths[P][M]>> {
  const address = path.replace(/\{(\w+)\}/g, (_, name: keyof typeof ids) =>
    encodeURIComponent(String(ids[name])),
  );
  const isJson = body !== undefined && !(body instanceof FormData);
  let reply: Response;
  try {
    reply = await fetch(address, {
      method: method.toUpperCase(),
      headers: isJson ? { 'Content-Type': 'application/json' } : {},
      body: isJson ? JSON.stringify(body) : body,
    });
  } catch {
    const message =
      'The studio does not answer. Is `sideman studio` still running? Start it again; what you wrote is kept here.';
    throw new ApiError(NO_ANSWER, message, 0);
  }
  const answer: unknown = await reply.json().catch(() => undefined);
  if (reply.ok) return answer as Reply<paths[P][M]>;
  const error = (answer as Refusal | undefined)?.error;
  const fallback = `The studio replied ${reply.status} to ${address}; its log says more.`;
  throw new ApiError(error?.code ?? 'unknown', error?.message ?? fallback, reply.status);
}

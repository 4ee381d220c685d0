// Requests to the gateway. Types come from the contract (gen/typescript); errors are its problems (RFC 9457).

/** Problem is a request that failed, in words for people. */
export class Problem extends Error {
  /** status is the HTTP status; 0 if the gateway could not be reached. */
  readonly status: number;
  readonly reason: string;

  constructor(message: string, status: number, reason = "") {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

interface ProblemBody {
  detail?: string;
  title?: string;
  reason?: string;
  violations?: { field: string; message: string }[];
}

type Query = Record<string, string | number | undefined>;

/** reached hears "reached" when the gateway answers again after it did not. */
export const reached = new EventTarget();
let away = false;

/** What stands before a gateway, such as a proxy, answers with these while it is gone. */
const GONE = [502, 503, 504];

/** isAway says whether an error is that the gateway could not be reached, not something that it said. */
export const isAway = (error: unknown): boolean => error instanceof Problem && (error.status === 0 || GONE.includes(error.status));

function note(isGone: boolean): void {
  const back = away && !isGone;
  away = isGone;
  if (back) reached.dispatchEvent(new Event("reached"));
}

export function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return request<T>("GET", text ? `${path}?${text}` : path, undefined, signal);
}

export const post = <T>(path: string, body: object = {}, signal?: AbortSignal): Promise<T> => request<T>("POST", path, body, signal);

export const remove = (path: string): Promise<unknown> => request("DELETE", path);

async function request<T>(method: string, path: string, body?: object, signal?: AbortSignal): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      credentials: "same-origin",
      headers: body ? { "Content-Type": "application/json" } : {},
      ...(body ? { body: JSON.stringify(body) } : {}),
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    note(true);
    throw new Problem("The gateway cannot be reached. Is it running, and is this machine connected?", 0);
  }
  note(GONE.includes(response.status));
  if (!response.ok) throw await problemOf(response);
  // An empty answer, such as 204, has no type that anybody reads.
  const text = await response.text();
  return (text ? JSON.parse(text) : {}) as T;
}

async function problemOf(response: Response): Promise<Problem> {
  let body: ProblemBody = {};
  try {
    body = (await response.json()) as ProblemBody;
  } catch {
    // what stands between, such as a proxy, answers in its own way
  }
  const violations = (body.violations ?? []).map((v) => (v.field ? `${v.field}: ${v.message}` : v.message));
  const message = [body.detail ?? body.title ?? `The gateway answered ${response.status}`, ...violations].join("; ");
  if (response.status === 401) signedOut.dispatchEvent(new Event("signed-out"));
  return new Problem(message.charAt(0).toUpperCase() + message.slice(1), response.status, body.reason);
}

/** signedOut hears "signed-out" when the gateway no longer knows whoever looks. */
export const signedOut = new EventTarget();

/** isAbort says whether an error is only that nobody wants the answer any more. */
export const isAbort = (error: unknown): boolean => error instanceof DOMException && error.name === "AbortError";

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

// Requests to the gateway. Types come from the contract (gen/typescript); errors are its problems (RFC 9457).

/** Problem is a failed request, with a message for people. */
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

/** reached dispatches "reached" when the gateway answers again after an outage. */
export const reached = new EventTarget();
let away = false;

/** A proxy in front of a gateway answers with one of these while the gateway is gone. */
const GONE = [502, 503, 504];

/** isAway reports whether an error means that the gateway could not be reached, as opposed to something that it answered. */
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
  // An empty answer, such as 204, has no content to parse.
  const text = await response.text();
  return (text ? JSON.parse(text) : {}) as T;
}

async function problemOf(response: Response): Promise<Problem> {
  let body: ProblemBody = {};
  try {
    body = (await response.json()) as ProblemBody;
  } catch {
    // a proxy in between answers in its own format
  }
  const violations = (body.violations ?? []).map((v) => (v.field ? `${v.field}: ${v.message}` : v.message));
  const message = [body.detail ?? body.title ?? `The gateway answered ${response.status}`, ...violations].join("; ");
  if (response.status === 401) signedOut.dispatchEvent(new Event("signed-out"));
  return new Problem(message.charAt(0).toUpperCase() + message.slice(1), response.status, body.reason);
}

/** signedOut dispatches "signed-out" when the gateway no longer accepts the session. */
export const signedOut = new EventTarget();

/** isAbort reports whether an error only means that the answer is no longer wanted. */
export const isAbort = (error: unknown): boolean => error instanceof DOMException && error.name === "AbortError";

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

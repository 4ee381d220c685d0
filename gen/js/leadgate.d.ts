/**
 * The browser client of leadgate: a form's submission reaches the gateway once, however often the button is pressed, the
 * page is reloaded or the network fails.
 */

/** What became of a submission that the gateway, or this device, took. */
export interface Answer {
  /** Identifier of the lead; missing while the submission waits on this device. */
  leadId?: string;
  /** Whether the gateway had it before, under the same key. */
  replayed?: boolean;
  /** Whether it waits on this device until the gateway can be reached. */
  queued?: boolean;
}

/** One rule that a field breaks. */
export interface Violation {
  /** The field's name in the form; empty if the rule is about all of them. */
  field: string;
  /** The rule's name, such as "string.email". */
  rule: string;
  /** The rule in words, in the language of the page. */
  message: string;
}

/** Thrown when the gateway refused a submission: what it said, as problem+json (RFC 9457). */
export interface Refusal extends Error {
  /** HTTP's; 0 if there was no answer, and the submission may not wait on this device. */
  status: number;
  /** The machine's name of the error, such as "RULES_BROKEN". */
  reason?: string;
  detail: string;
  violations: Violation[];
  /** Finds the request in the gateway's log. */
  requestId?: string;
}

/** What is said to a visitor: the words of the client, and the messages of rules by their names. */
export interface Words {
  sending?: string;
  sent?: string;
  queued?: string;
  failed?: string;
  /** Of an earlier submission, which was refused, or has waited for longer than the gateway knows its key. */
  expired?: string;
  check?: string;
  /** {} stands for the address that was probably meant. */
  suggest?: string;
  [rule: string]: string | undefined;
}

/** What is entered into a form: the fields by their names, or what a form of the page holds. Of a file its name is sent. */
export type Fields = FormData | Record<string, Value | Value[]>;

type Value = string | number | boolean | null | undefined;

export interface Options {
  /** Address of the gateway, such as "https://leads.example.com". Where the script came from, if left out. */
  gateway?: string;
  /** Language of the words, such as "de" or "pt-BR". The page's, if left out. */
  language?: string;
  /** Words of your own, in place of the built-in ones. */
  words?: Words;
  /** How long the gateway remembers a key, in seconds: its idempotency.ttl. 86400 if left out. */
  keyLife?: number;
  /** Where to go after a success. */
  redirect?: string;
  /** Whether a submission without an answer waits on this device. False for devices that several people share. */
  queue?: boolean;
}

/**
 * Takes over the submission of a form. Events bubble from it: leadgate:sending, leadgate:success, leadgate:queued,
 * leadgate:invalid, leadgate:error; their detail is the Answer or the Refusal. Of what waited since an earlier page it tells
 * leadgate:success, leadgate:queued, leadgate:error and leadgate:expired, and does nothing but say it. Calling preventDefault
 * on an event keeps the client from showing anything. Returns what lets go of the form again.
 */
export function attach(form: HTMLFormElement, options?: Options): () => void;

/**
 * Submits fields to a form of the gateway without any markup. Sent again under one key until there is an answer; if there
 * is none, resolves with queued and goes on later. Throws a Refusal.
 */
export function submit(form: string, fields: Fields, options?: Options): Promise<Answer>;

/** Sets options for the whole page, from now on. */
export function configure(options: Options): void;

/** Attaches to every form[data-leadgate] of the page, now and later, and sends what waits on this device. */
export function start(): void;

// Who is signed in. The API key itself is in a cookie that scripts cannot read.

import { get, post, remove } from "./api";

export type Role = "submit" | "read" | "operate";

export interface Session {
  readonly signedIn: boolean;
  readonly name?: string;
  readonly roles?: Role[];
  /** keys reports whether the gateway has API keys at all. */
  readonly keys: boolean;
  /** detail says why nobody is signed in. */
  readonly detail?: string;
}

const path = "/console/session";

export const current = (): Promise<Session> => get<Session>(path);
export const signIn = (key: string): Promise<Session> => post<Session>(path, { key });
export const signOut = (): Promise<unknown> => remove(path);

export const may = (session: Session, role: Role): boolean => session.roles?.includes(role) ?? false;

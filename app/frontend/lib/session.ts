import { jwtVerify } from "jose";
import { cookies } from "next/headers";
import { redirect } from "next/navigation";
import { cache } from "react";

export type Session = { token: string; userId: string; userName: string };

/** The value of the session cookie; Better Auth splits values of more than about 4 kB into name.0, name.1, … */
async function sessionCookie(): Promise<string> {
  const secure = process.env.BETTER_AUTH_URL?.startsWith("https://") ? "__Secure-" : "";
  const name = `${secure}better-auth.session_data`;
  const jar = await cookies();
  let value = jar.get(name)?.value ?? "";
  for (let part = 0; jar.has(`${name}.${part}`); part++) value += jar.get(`${name}.${part}`)?.value;
  return value;
}

/**
 * The signed-in user, from the JWT in the cookie only, without the database or state of this pod. The rules are the
 * same as in the backend: Better Auth signs other tokens (mail verification) with the same secret, so the token must
 * have both claims, for the same user.
 */
export const getSession = cache(async (): Promise<Session | null> => {
  const token = await sessionCookie();
  if (!token) return null;
  try {
    const key = new TextEncoder().encode(process.env.BETTER_AUTH_SECRET);
    const { payload } = await jwtVerify<{
      session: { userId?: string };
      user: { id?: string; name?: string };
    }>(token, key, { algorithms: ["HS256"], requiredClaims: ["exp", "session", "user"] });
    const { session, user } = payload;
    if (!user.id || user.id !== session.userId) return null;
    return { token, userId: user.id, userName: user.name ?? "" };
  } catch {
    return null;
  }
});

export async function requireSession(): Promise<Session> {
  return (await getSession()) ?? redirect("/sign-in");
}

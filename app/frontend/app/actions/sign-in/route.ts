import { accountAction } from "@/lib/account";

export const POST = accountAction("/sign-in/email", ["email", "password"], "/tasks");

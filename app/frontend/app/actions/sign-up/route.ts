import { accountAction } from "@/lib/account";

export const POST = accountAction("/sign-up/email", ["name", "email", "password"], "/tasks");

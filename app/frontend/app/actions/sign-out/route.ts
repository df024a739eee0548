import { accountAction } from "@/lib/account";

export const POST = accountAction("/sign-out", [], "/sign-in");

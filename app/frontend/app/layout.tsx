import type { Metadata, Viewport } from "next";
import type { ReactNode } from "react";
import "./globals.css";

// Pages are neither prerendered nor cached by proxies, because they reference the scripts of their own release.
export const dynamic = "force-dynamic";

export const metadata: Metadata = { title: { default: "Todo", template: "%s · Todo" } };
export const viewport: Viewport = { colorScheme: "light dark" };

export default function RootLayout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  );
}

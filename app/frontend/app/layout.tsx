import type { Metadata, Viewport } from "next";
import type { ReactNode } from "react";
import "./globals.css";

// No page is made at build time, nor may a proxy keep one: it names the scripts of the release that made it.
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

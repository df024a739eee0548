import coreWebVitals from "eslint-config-next/core-web-vitals";
import typescript from "eslint-config-next/typescript";

const config = [
  { ignores: [".next/", "next-env.d.ts"] },
  ...coreWebVitals,
  ...typescript,
  {
    // Links are plain, so that every page is loaded from the server with current data.
    rules: { "@next/next/no-html-link-for-pages": "off" },
  },
  {
    // CommonJS modules, preloaded by node --require.
    files: ["drain.js", "observe.js"],
    rules: { "@typescript-eslint/no-require-imports": "off" },
  },
];

export default config;

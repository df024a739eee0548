/** One JSON line on stdout, as observe.js writes them for requests. */
export function log(level: string, message: string): void {
  const { POD_NAME: pod = "", APP_VERSION: version = "" } = process.env;
  console.log(JSON.stringify({ time: new Date().toISOString(), level, message, pod, version }));
}

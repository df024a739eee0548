/** Writes one JSON line to stdout, in the format of observe.js. */
export function log(level: string, message: string): void {
  const { POD_NAME: pod = "", APP_VERSION: version = "" } = process.env;
  console.log(JSON.stringify({ time: new Date().toISOString(), level, message, pod, version }));
}

// Preloaded into the frontend: switches a mutant on without a new start, and tells which mutants' places have run.
//
//    GET /on/ID    switch a mutant on, or all of them off where ID is empty
//    GET /places   the identifiers of those whose code has run since the last of these requests, as JSON
//
// It speaks HTTP by itself: node:http would call what the frontend has hooked into it.

const { createServer } = require("node:net");

const stryker = (globalThis.__stryker__ ??= {});
let period = 1;
stryker.currentTestId = String(period);

function answer(path) {
  const [, command, id] = path.split("/");
  if (command === "on") {
    stryker.activeMutant = id;
    return "";
  }
  const places = Object.keys(stryker.mutantCoverage?.perTest[period] ?? {});
  if (stryker.mutantCoverage) delete stryker.mutantCoverage.perTest[period];
  stryker.currentTestId = String(++period);
  return JSON.stringify(places);
}

createServer((socket) => {
  socket.on("error", () => {});
  socket.once("data", (data) => {
    const body = answer(String(data).split(" ", 2)[1]);
    socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
  });
}).listen(9000);

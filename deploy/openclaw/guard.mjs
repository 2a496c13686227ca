// Preloaded into the gateway (node --import): the gateway never outlives the supervisor that started it, not even
// when that one is killed and can stop nothing.
const supervisor = process.ppid;
setInterval(() => {
  if (process.ppid !== supervisor) process.kill(process.pid, "SIGKILL");
}, 1000).unref();

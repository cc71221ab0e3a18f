/** What to open and what to try, for the one who started it by hand. */
export function banner(port: number): string {
  const at = `http://localhost:${port}`;
  return `
  Agentwire is running, the whole broker in one process.

    open     ${at}/
    connect  ws://localhost:${port}/v1/ws   (subprotocol agentwire.v1.json or agentwire.v1.msgpack)
    publish  curl -d '{"data":"hello"}' ${at}/v1/topics/demo.hello/publish
    look     curl '${at}/v1/topics/demo.hello/events'
    run      curl -d '{"agent":"echo","input":"hello there"}' ${at}/v1/runs
    metrics  ${at}/metrics

  Ctrl-C stops it. Events live in this process; set REDIS_URL to keep them and to run several.

`;
}

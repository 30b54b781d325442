// What a foreign page can try against a gateway. Returns what it could read: each entry is a leak.
async ({ gateway, queue, name, bucket, key }) => {
  const got = [];
  // Upper bounds, for busy machines; what refuses does so at once.
  const MOST_MS = 60000;
  const send = new URLSearchParams({ Action: "SendMessage", Version: "2012-11-05", QueueUrl: queue,
                                     MessageBody: "forged" });
  const receive = new URLSearchParams({ Action: "ReceiveMessage", Version: "2012-11-05", QueueUrl: queue });
  const forged = new URLSearchParams({ "X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Signature": "0",
    "X-Amz-Credential": "test/20260101/us-east-1/s3/aws4_request", "X-Amz-SignedHeaders": "host" });
  const queuePaths = ["/", `/queue/us-east-1/000000000000/${name}`, `/000000000000/${name}`];
  const acts = [
    ...queuePaths.flatMap((path) => [`${path}?${send}`, `${path}?${receive}`, `${path}?${send}&${forged}`]),
    "/?Action=ListQueues&Version=2012-11-05",
  ];
  const reads = [`/${bucket}/${key}`, `/${bucket}/${key}?${forged}`, `/${bucket}?list-type=2`, "/",
    "/_localstack/health", "/_localstack/init", "/_localstack/diagnose", `/_aws/sqs/messages?QueueUrl=${queue}`,
    "/2015-03-31/functions/"];

  // Elements that ask with a GET.
  const settled = (element, events) => new Promise((done) => {
    events.forEach((event) => element.addEventListener(event, done));
    setTimeout(done, MOST_MS);
    document.body.append(element);
  });
  const elements = [];
  for (const path of acts) {
    for (const [tag, attribute] of [["img", "src"], ["iframe", "src"], ["script", "src"], ["object", "data"]]) {
      const element = document.createElement(tag);
      element[attribute] = gateway + path;
      elements.push(settled(element, ["load", "error"]));
    }
    const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: gateway + path });
    elements.push(settled(style, ["load", "error"]));
  }
  await Promise.all(elements);
  const hidden = Object.assign(document.createElement("img"), { referrerPolicy: "no-referrer" });
  hidden.src = `${gateway}/?${send}`;
  await settled(hidden, ["load", "error"]);

  // Forms: every encoding, into a frame.
  const form = (path, enctype, fields) => {
    const frame = Object.assign(document.createElement("iframe"), { name: `frame-${Math.random()}` });
    document.body.append(frame);
    const made = Object.assign(document.createElement("form"),
      { method: "POST", action: gateway + path, enctype, target: frame.name });
    for (const [field, value] of Object.entries(fields)) {
      made.append(Object.assign(document.createElement("input"), { name: field, value }));
    }
    document.body.append(made);
    const loaded = new Promise((done) => {
      frame.addEventListener("load", done);
      setTimeout(done, MOST_MS);
    }).then(() => {
      try {
        const text = frame.contentDocument.body.innerText;
        if (text && !/AccessDenied|InvalidHost|Authentication Token/.test(text)) got.push(["form", path, text]);
      } catch { /* of another origin: nothing to read */ }
    });
    made.submit();
    return loaded;
  };
  for (const enctype of ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"]) {
    await form("/", enctype, Object.fromEntries(send));
    await form(queuePaths[1], enctype, Object.fromEntries(send));
    await form(`/${bucket}`, enctype, { key: "clips/lab/forged.h264", file: "forged" });
    await form("/_localstack/state/reset", enctype, { a: "b" });
  }

  // fetch: simple, not simple, without looking at the answer.
  const ask = async (what, path, options) => {
    try {
      const answer = await fetch(gateway + path, { signal: AbortSignal.timeout(MOST_MS), ...options });
      if (answer.type !== "opaque" && answer.status < 400) {
        got.push([what, path, answer.status, (await answer.text()).slice(0, 200)]);
      }
    } catch { /* refused, or not to be read */ }
  };
  const asked = [];
  for (const path of [...acts, ...reads]) {
    asked.push(ask("fetch", path, {}));
    asked.push(ask("no-cors", path, { mode: "no-cors" }));
    asked.push(ask("credentials", path, { credentials: "include" }));
    asked.push(ask("no referrer", path, { referrerPolicy: "no-referrer" }));
  }
  const signed = { Authorization: "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0" };
  const json = JSON.stringify({ QueueUrl: queue, MessageBody: "forged" });
  for (const mode of ["cors", "no-cors"]) {
    asked.push(ask("post", "/", { method: "POST", mode, body: send }));
    asked.push(ask("post text", "/", { method: "POST", mode, body: send.toString() }));
    asked.push(ask("post signed", "/", { method: "POST", mode, body: send, headers: signed }));
    asked.push(ask("post json", "/", { method: "POST", mode, body: json, headers: { ...signed,
      "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AmazonSQS.SendMessage" } }));
    asked.push(ask("reset", "/_localstack/state/reset", { method: "POST", mode }));
    asked.push(ask("invoke", "/2015-03-31/functions/facelab-recognize/invocations", { method: "POST", mode, body: "{}" }));
  }
  for (const method of ["PUT", "DELETE"]) {
    asked.push(ask(method, `/${bucket}/${key}`, { method, body: method === "PUT" ? "forged" : null }));
    asked.push(ask(`${method} signed`, `/${bucket}/${key}`, { method, headers: signed }));
    asked.push(ask(`${method} presigned`, `/${bucket}/${key}?${forged}`, { method }));
  }
  navigator.sendBeacon(`${gateway}/`, send);

  // Sockets and streams.
  const open = (what, source) => new Promise((done) => {
    source.onopen = () => { got.push([what, "opened"]); done(); };
    source.onerror = done;
    setTimeout(done, MOST_MS);
  });
  const socket = gateway.replace(/^http/, "ws");
  for (const path of ["/", "/_localstack/health", "/restapis/x/test/_user_request_/"]) {
    asked.push(open("WebSocket", new WebSocket(socket + path)));
  }
  asked.push(open("EventSource", new EventSource(`${gateway}/_localstack/health`)));

  await Promise.all(asked);
  return got;
}

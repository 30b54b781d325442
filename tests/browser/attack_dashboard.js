// What a foreign page can try against the dashboard. Returns what it could read or do.
async ([home, act]) => {
  const got = [];
  const read = async (path, options) => {
    try {
      const text = await (await fetch(home + path, options)).text();
      if (text) got.push(path);
    } catch { /* refused */ }
  };
  for (const path of ["/", "/api/clips", "/events", "/parts/clips"]) {
    await read(path, {});
    await read(path, { mode: "no-cors" });
    await read(path, { credentials: "include" });
  }
  for (const mode of ["cors", "no-cors"]) {
    for (const headers of [{}, { "x-facelab-token": "guess" }]) {
      try {
        const said = await fetch(home + act, { method: "POST", mode, headers });
        if (said.ok) got.push(act);
      } catch { /* refused */ }
    }
  }
  navigator.sendBeacon(home + act, "");
  const image = Object.assign(new Image(), { src: `${home}/frames/${act.split("/")[2]}` });
  const shown = await new Promise((done) => { image.onload = () => done(true); image.onerror = () => done(false); });
  if (shown) got.push("a face");
  return got;
}

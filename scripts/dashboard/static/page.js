// Follows the server's events, keeps the chart, and puts boxes onto pictures.
"use strict";
(() => {
  const token = document.querySelector('meta[name="facelab-token"]').content;
  const LEAST_MS = 400; // between two refreshes, however fast clips come

  document.body.addEventListener("htmx:configRequest", (event) => {
    event.detail.headers["x-facelab-token"] = token;
  });
  // Somebody who reads or types in a part is not to lose their place.
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    const part = event.detail.target;
    const isOwnAct = event.detail.requestConfig && event.detail.requestConfig.verb !== "get";
    const focused = document.activeElement;
    if (!isOwnAct && focused !== part && part.contains(focused)) event.detail.shouldSwap = false;
  });
  const problem = document.getElementById("problem");
  const tell = (text) => { problem.textContent = text; problem.classList.toggle("shown", Boolean(text)); };
  document.body.addEventListener("htmx:responseError", (event) => {
    try {
      const said = JSON.parse(event.detail.xhr.responseText);
      tell([said.error, said.hint].filter(Boolean).join(". "));
    } catch { tell("The dashboard did not understand that."); }
  });
  document.body.addEventListener("htmx:afterRequest", (event) => {
    if (!event.detail.successful || event.detail.requestConfig.verb === "get") return;
    tell("");
    const said = document.getElementById("said");
    if (said && said.textContent.trim()) { said.focus(); htmx.trigger(document.body, "facelab:change"); }
  });

  // Pictures take their turn: all at once they would hold each connection that a browser has for
  // a server, and news and clicks would wait until the last of them is decoded.
  const AT_ONCE = 2, MOST_SIZES = 100;
  const wanted = [], sizes = new Map(); // by address, of those that came
  let coming = 0;
  const show = (picture, size) => {
    const address = picture.dataset.frame;
    if (picture.localName === "image") { picture.setAttribute("href", address); return; }
    picture.src = address; // the browser has kept it
    // Boxes are in pixels of the frame, whatever the picture's own size.
    const boxes = picture.parentElement.querySelector("svg.boxes");
    if (boxes) { boxes.setAttribute("viewBox", `0 0 ${size}`); boxes.classList.add("placed"); }
  };
  const fetchFrame = async (picture) => {
    const address = picture.dataset.frame, answer = await fetch(address);
    if (answer.status !== 200) return; // there may be none
    await answer.blob();
    sizes.set(address, answer.headers.get("x-frame-size"));
    if (sizes.size > MOST_SIZES) sizes.delete(sizes.keys().next().value);
    show(picture, sizes.get(address));
  };
  const fetchNext = () => {
    while (coming < AT_ONCE && wanted.length) {
      const picture = wanted.shift();
      if (!picture.isConnected) continue; // its part was made anew meanwhile
      coming += 1;
      fetchFrame(picture).catch(() => {}).finally(() => { coming -= 1; fetchNext(); });
    }
  };
  // A card that says what it said stays, with its picture: a browser lets go of what was replaced
  // only when it needs the room, and twelve cards with each clip were a hundred megabytes.
  const shown = new Map();
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    shown.clear();
    event.detail.target.querySelectorAll("[data-mark]").forEach((card) => shown.set(card.dataset.mark, card));
  });
  const keepShown = (root) => {
    root.querySelectorAll("[data-mark]").forEach((card) => {
      const before = shown.get(card.dataset.mark);
      if (before) card.replaceWith(before);
    });
    shown.clear();
  };
  const dress = (root) => {
    keepShown(root);
    root.querySelectorAll("[data-frame]").forEach((picture) => {
      if (picture.hasAttribute("src")) return;
      const size = sizes.get(picture.dataset.frame);
      if (size) show(picture, size); else wanted.push(picture);
    });
    fetchNext();
    ages(root);
  };
  const ages = (root) => root.querySelectorAll("time[data-ms]").forEach((time) => {
    const seconds = Math.max(0, Math.round((Date.now() - Number(time.dataset.ms)) / 1000));
    const text = seconds < 60 ? `${seconds} s ago` : seconds < 3600 ? `${Math.round(seconds / 60)} min ago`
      : `${Math.round(seconds / 3600)} h ago`;
    if (time.dateTime && time.textContent === text) return; // the same words again would be painted again
    time.textContent = text;
    time.dateTime = new Date(Number(time.dataset.ms)).toISOString();
  });
  document.body.addEventListener("htmx:afterSwap", (event) => dress(event.detail.target));
  setInterval(() => ages(document), 5000);

  // The chart.
  const place = document.getElementById("chart");
  let plot = null;
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const draw = (points) => {
    const data = [points.map((point) => point[0]), points.map((point) => point[1])];
    if (plot) { plot.setData(data); return; }
    const axis = { stroke: color("--text"), grid: { stroke: color("--line") }, ticks: { stroke: color("--line") } };
    plot = new uPlot({
      width: place.clientWidth, height: 180, legend: { show: false }, cursor: { show: false },
      scales: { y: { range: (_, least, most) => [0, Math.max(100, most * 1.1)] } },
      axes: [axis, { ...axis, values: (_, values) => values.map((value) => value < 10000 ? `${value} ms` : `${value / 1000} s`), size: 80 }],
      series: [{}, { stroke: color("--accent"), width: 2, points: { size: 5 } }],
    }, data, place);
  };
  // What draws is as much script as all the rest: it comes when the page stands.
  let drawing = null;
  const fetchDrawing = () => drawing ||= new Promise((resolve, reject) => {
    const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: place.dataset.style });
    const script = Object.assign(document.createElement("script"), { src: place.dataset.script, onload: resolve });
    script.onerror = () => { drawing = null; reject(new Error("the server did not give it")); };
    document.head.append(style, script);
  });
  const chart = async () => {
    if (!place) return;
    await fetchDrawing();
    const answer = await fetch("/api/points");
    if (answer.ok) draw((await answer.json()).points);
  };
  addEventListener("resize", () => plot && plot.setSize({ width: place.clientWidth, height: 180 }));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    if (plot) { plot.destroy(); plot = null; chart(); }
  });

  // News.
  // What the page was made of: news may come before it listens.
  let seen = document.querySelector('meta[name="facelab-state"]').content, last = 0, waiting = 0;
  const refresh = () => {
    waiting = 0; last = Date.now();
    htmx.trigger(document.body, "facelab:change");
    chart().catch(() => {});
  };
  const soon = () => {
    if (!waiting) waiting = setTimeout(refresh, Math.max(0, last + LEAST_MS - Date.now()));
  };
  const source = new EventSource("/events");
  source.addEventListener("change", (event) => {
    if (event.data !== seen) soon();
    seen = event.data;
    document.documentElement.dataset.following = "yes";
  });
  source.onerror = () => { tell("The dashboard's server does not answer; trying again."); };
  source.onopen = () => { if (problem.textContent.startsWith("The dashboard's server")) tell(""); };
  addEventListener("pagehide", () => source.close());

  // Words and figures are painted first; Safari knows no idle time.
  const later = window.requestIdleCallback || ((act) => requestAnimationFrame(() => setTimeout(act)));
  later(() => { dress(document); chart().catch(() => {}); }, { timeout: LEAST_MS });
})();

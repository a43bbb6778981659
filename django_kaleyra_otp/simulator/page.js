"use strict";

// Everything that came from outside enters the page as text, never as markup.

const MOST_HANDSETS = 24;
const MOST_BUBBLES = 20;
const STATUSES = {
  "SUBMITTED": "Submitted", "SENT": "Sent", "DELIVRD": "Delivered", "UNDELIVERED": "Undelivered",
  "UNDELIV": "Undelivered", "NOT-SENT": "Not sent", "FAILED": "Failed", "EXPIRED": "Expired",
  "REJECTED": "Rejected", "SENT - NO DLR": "Sent, no report",
};
const FIREABLE = ["DELIVRD", "SENT", "UNDELIVERED", "NOT-SENT", "FAILED", "EXPIRED", "SENT - NO DLR"];
const PARTS = { delivery: "What becomes of the SMS", answer: "How the send is answered", callback: "How Kaleyra calls back" };

const find = (id) => document.getElementById(id);
const handsets = new Map(); // number -> {phone, screen, tally, count}
const bubbles = new Map(); // message id -> {node, number, steps, calls}
const dropped = new Set(); // message ids that gave way to newer ones
const table = new Map(); // word -> row of the table of fates
let epoch = "", version = 0, loaded = false;

function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("data-") || name.startsWith("aria-") || name === "for" || name === "role") node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children);
  return node;
}

function spaced(number) {
  const indian = /^\+91(\d{5})(\d{5})$/.exec(number);
  return indian ? `+91 ${indian[1]} ${indian[2]}` : number;
}

const clock = (iso) => new Date(iso).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

async function control(method, path, body) {
  const answer = await fetch(`/_control/${path}`, {
    method,
    headers: { "X-Simulator": "1", "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const fault = await answer.json();
  throw new Error(fault.message);
}

// Handsets and messages

function handset(number) {
  let found = handsets.get(number);
  if (found) return found;
  const tally = make("p", { className: "tally" });
  const screen = make("div", { className: "screen", tabIndex: 0, role: "region", "aria-label": `Messages of ${number}` });
  const phone = make("article", { className: "phone", "aria-label": `Handset ${number}` },
    make("h3", { className: "number", textContent: spaced(number) }), tally, screen);
  found = { phone, screen, tally, count: 0 };
  handsets.set(number, found);
  find("numbers").append(make("option", { value: number }));
  return found;
}

function bubble(message) {
  const steps = make("ul", { className: "steps", "aria-label": "Status" });
  const calls = make("ul", { className: "calls", "aria-label": "Callbacks" });
  const fate = message.fate.filter((word) => word !== "delivered").join(", ");
  const node = make("div", { className: loaded ? "bubble new" : "bubble" },
    make("p", { className: "head" },
      make("span", { textContent: message.sender }),
      make("time", { dateTime: message.created_at, textContent: clock(message.created_at) })),
    make("p", { className: "text", textContent: message.body || `(the text of template ${message.template_id})` }),
    ...(message.code ? [pick(message.code)] : []),
    steps,
    ...(fate ? [make("p", { className: "chosen", textContent: `Fate: ${fate}` })] : []),
    calls, firing(message));
  return { node, number: message.number, steps, calls };
}

function pick(code) {
  const button = make("button", { type: "button", textContent: "Copy", "aria-label": `Copy code ${code}` });
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(button.previousSibling);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  });
  return make("div", { className: "pick" }, make("span", { className: "code", textContent: code }), button);
}

function firing(message) {
  const status = make("select", { "aria-label": "Status to fire" }, ...FIREABLE.map((word) => make("option", { value: word, textContent: word })));
  const trace = make("input", { "aria-label": "Trace", placeholder: "trace, if any", autocomplete: "off", maxLength: 64 });
  const result = make("p", { className: "answer", role: "status" });
  const form = make("form", {}, status, trace, make("button", { textContent: "Fire" }));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    await report(result, async () => {
      const call = await control("POST", "fire", { message_id: message.message_id, status: status.value, trace: trace.value.trim() });
      return call.http_status === null ? `No answer: ${call.error}` : `Answered ${call.http_status}`;
    });
  });
  return make("details", {}, make("summary", { textContent: "Fire a status by hand" }), form, result);
}

function showSteps(view, message) {
  const rows = [["good", "✓", "Accepted", ""]];
  for (const step of message.history) {
    const bad = !["SENT", "SUBMITTED", "DELIVRD", "SENT - NO DLR"].includes(step.status) && step.status in STATUSES;
    const known = step.status in STATUSES;
    const trace = step.trace === step.status ? "" : step.trace;
    rows.push([bad ? "bad" : known ? "good" : "open", bad ? "✕" : known ? "✓" : "?", STATUSES[step.status] || step.status, trace]);
  }
  if (!message.final) rows.push(["open", "…", message.history.length ? "no final status yet" : "waiting", ""]);
  view.steps.replaceChildren(...rows.map(([kind, mark, word, trace]) => make("li", { className: kind, "data-mark": mark }, word,
    ...(trace ? [" ", make("span", { className: "trace", textContent: trace })] : []))));
  view.node.classList.toggle("gone", message.final && !message.delivered);
}

function showCalls(view, message) {
  view.calls.hidden = message.callbacks.length === 0;
  view.calls.replaceChildren(...message.callbacks.slice(-8).map((call) => make("li", { className: call.succeeded ? "" : "bad" },
    make("span", { className: "mark", "aria-hidden": "true", textContent: call.succeeded ? "↩" : "✕" }),
    make("span", { textContent: `${call.status} by ${call.method}${call.attempt > 1 ? `, try ${call.attempt}` : ""}` }),
    make("span", { textContent: `${call.http_status ?? call.error} · ${call.milliseconds} ms` }))));
}

function show(message) {
  if (dropped.has(message.message_id)) return;
  let view = bubbles.get(message.message_id);
  if (!view) {
    view = bubble(message);
    bubbles.set(message.message_id, view);
    const found = handset(message.number);
    found.count += 1;
    found.tally.textContent = found.count === 1 ? "1 message" : `${found.count} messages`;
    found.screen.prepend(view.node);
    while (found.screen.children.length > MOST_BUBBLES) drop(found.screen.lastElementChild);
    const stage = find("handsets");
    if (stage.firstElementChild !== found.phone && !found.phone.contains(document.activeElement)) stage.prepend(found.phone);
    while (stage.children.length > MOST_HANDSETS) stage.lastElementChild.remove();
    if (loaded) find("announcer").textContent = `Message to ${message.number}. ${message.code ? `Code ${message.code}` : ""}`;
  }
  showSteps(view, message);
  showCalls(view, message);
}

function drop(node) {
  for (const [id, view] of bubbles) {
    if (view.node === node) {
      bubbles.delete(id);
      dropped.add(id);
    }
  }
  node.remove();
}

// The panel

async function report(place, action) {
  try {
    place.textContent = await action();
    place.classList.remove("bad");
  } catch (error) {
    place.textContent = error.message;
    place.classList.add("bad");
  }
}

// So that a button keeps its focus while nothing about it changed.
const shown = {};
function unchanged(name, data) {
  const text = JSON.stringify(data);
  const same = shown[name] === text;
  shown[name] = text;
  return same;
}

function showRules(rules) {
  if (unchanged("rules", rules)) return;
  find("rules").replaceChildren(...rules.map((rule) => {
    const forget = make("button", { type: "button", textContent: "Forget", "aria-label": `Forget the fate of ${rule.number ?? "every number"}` });
    forget.addEventListener("click", () => report(find("fate-answer"), async () => {
      await control("POST", "fates", { number: rule.number, fate: [] });
      return "Forgotten.";
    }));
    const left = rule.left === null ? "from now on" : rule.left === 1 ? "the next message" : `the next ${rule.left} messages`;
    return make("li", {}, make("span", { textContent: `${rule.number ? spaced(rule.number) : "Every number"}: ${rule.fate.join(", ")}, ${left}` }), forget);
  }));
}

function showProfiles(profiles) {
  if (unchanged("profiles", profiles)) return;
  const off = profiles.filter((profile) => profile.status !== 1);
  find("off").hidden = off.length === 0;
  find("off").textContent = off.some((profile) => profile.status === 2)
    ? "A callback profile was switched off, since its calls kept failing. See that your project runs and knows the secret, then switch it on again."
    : "A callback profile is switched off.";
  find("profiles").replaceChildren(...profiles.map((profile) => {
    const on = profile.status === 1;
    const [host] = /^\w+:\/\/[^/]*/.exec(profile.url);
    const button = make("button", { type: "button", textContent: on ? "Switch off" : "Switch on", "aria-label": `${on ? "Switch off" : "Switch on"} ${profile.title}` });
    button.addEventListener("click", () => control("POST", "profiles", { profile_id: profile.profile_id, status: on ? 3 : 1 }));
    return make("li", { className: on ? "" : "off" },
      make("b", { textContent: profile.title }), button,
      make("p", {}, `${profile.method} ${host}`, make("wbr"), profile.url.slice(host.length)));
  }));
  if (profiles.length) {
    find("profile").textContent = profiles[0].profile_id;
    find("callback").textContent = profiles[0].url;
  }
}

async function fillTable() {
  const { table: rows } = await control("GET", "fates");
  let part = "", group = null;
  for (const row of rows) {
    table.set(row.word, row);
    if (row.part !== part) {
      part = row.part;
      group = make("optgroup", { label: PARTS[part] });
      find("fate").append(group);
      find("table").append(make("tr", { className: "group" }, make("th", { colSpan: 3, scope: "rowgroup", textContent: PARTS[part] })));
    }
    group.append(make("option", { value: row.word, textContent: `${row.word}: ${row.meaning}` }));
    find("table").append(make("tr", {}, make("td", { textContent: row.number }), make("td", {}, make("code", { textContent: row.word })), make("td", { textContent: row.meaning })));
  }
  chooseFate();
}

function chooseFate() {
  const row = table.get(find("fate").value);
  find("value-field").hidden = !row.takes;
  find("value-label").textContent = { seconds: "Seconds", status: "HTTP status", url: "URL" }[row.takes] || "Value";
  find("value").value = row.default;
}

function listen() {
  find("fate").addEventListener("change", chooseFate);
  find("fate-form").addEventListener("submit", (event) => {
    event.preventDefault();
    report(find("fate-answer"), async () => {
      const row = table.get(find("fate").value);
      const word = row.takes && find("value").value.trim() ? `${row.word}=${find("value").value.trim()}` : row.word;
      const number = find("number").value.replace(/[\s()-]/g, "");
      if (number && !/^\+[1-9]\d{6,14}$/.test(number)) throw new Error("A number begins with + and the country code.");
      await control("POST", "fates", { number: number || null, fate: [word], times: find("times").value ? Number(find("times").value) : null });
      return "Set.";
    });
  });
  for (const name of ["balance", "ip_allowed"]) {
    find(name).addEventListener("change", (event) => control("POST", "knobs", { [name]: event.target.checked }));
  }
  find("reset").addEventListener("click", () => {
    if (confirm("Forget all messages, fates and switches?")) control("DELETE", "state");
  });
}

// Staying up to date

function update(state) {
  if (state.epoch !== epoch) {
    epoch = state.epoch;
    handsets.clear();
    bubbles.clear();
    dropped.clear();
    find("handsets").replaceChildren();
    find("numbers").replaceChildren();
  }
  version = state.version;
  state.messages.sort((one, other) => (one.created_at < other.created_at ? -1 : 1)).forEach(show);
  loaded = true;
  find("empty").hidden = handsets.size > 0;
  find("count").textContent = handsets.size === 0 ? "No SMS leaves this machine."
    : `${state.count} ${state.count === 1 ? "message" : "messages"}, none of which left this machine.`;
  find("more").hidden = handsets.size <= MOST_HANDSETS;
  find("more").textContent = `And ${handsets.size - MOST_HANDSETS} more numbers; /_control/messages has them all.`;
  find("base-url").textContent = state.account.base_url;
  find("sid").textContent = state.account.sid;
  find("balance").checked = state.knobs.balance;
  find("ip_allowed").checked = state.knobs.ip_allowed;
  showRules(state.rules);
  showProfiles(state.profiles);
}

async function follow() {
  for (;;) {
    try {
      update(await control("GET", `state?after=${version}&epoch=${epoch}&wait=25`));
      live("on", "Live");
      await new Promise((resume) => setTimeout(resume, 150));
    } catch {
      live("off", "The simulator does not answer; trying again");
      await new Promise((resume) => setTimeout(resume, 1500));
    }
  }
}

function live(state, text) {
  const place = find("live");
  if (place.textContent !== text) place.textContent = text;
  place.dataset.state = state;
}

listen();
fillTable().catch(() => live("off", "The simulator does not answer")).finally(follow);

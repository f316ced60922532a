// The pages work without this script. It adds the keys, changes cards without a flash, and counts while you type.
"use strict";

const one = (selector, root = document) => root.querySelector(selector);
const visible = (element) => element.getClientRects().length > 0;
let busy = false;

function tell(words) {
  one("#status").textContent = "";
  requestAnimationFrame(() => { one("#status").textContent = words; }); // said again, even when it is the same
}

// ---- from page to page ------------------------------------------------------------------------------

async function visit(url, options = {}, history = "push") {
  if (busy) return;
  busy = true;
  try {
    const answer = await fetch(url, options);
    const text = await answer.text();
    show(new DOMParser().parseFromString(text, "text/html"), answer, history);
  } catch {
    tell("The server does not answer, so nothing was saved. Is tbd review still running?");
  } finally {
    busy = false;
  }
}

function show(page, answer, history) {
  const main = one("main", page);
  if (!main || "problem" in main.dataset) {
    tell(main ? one("p", main).textContent : "The server answered with something else than a page.");
    return; // what is on the page stays, so that nothing typed is lost
  }
  document.title = page.title;
  one("header").replaceWith(one("header", page));
  one("main").replaceWith(main);
  if (answer.ok && history === "push" && answer.url !== location.href) window.history.pushState(null, "", answer.url);
  tell(one("#status", page).textContent);
  window.scrollTo(0, 0);
  arrive();
}

function arrive() {
  one("#keys")?.toggleAttribute("checked", keysOn());
  const field = one("[autofocus]");
  (field ?? one("main h1") ?? one("main")).focus({ preventScroll: !field });
  if (field?.setSelectionRange) field.setSelectionRange(field.value.length, field.value.length);
  if (one("#edit")) recheck();
  const strip = one(".strip img");
  if (!strip || strip.complete) ahead(); else strip.addEventListener("load", ahead, { once: true });
}

async function ahead() {
  const url = one("main").dataset.ahead;
  if (!url) return;
  try {
    const small = matchMedia("(max-width: 45rem)").matches ? "?rows=2" : "";
    for (const strip of (await (await fetch(url)).json()).strips) new Image().src = strip + small;
  } catch { /* pictures only: they come with their card */ }
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  const data = new URLSearchParams(new FormData(form, event.submitter));
  const action = form.getAttribute("action");
  event.preventDefault();
  if (form.getAttribute("method") === "post") return visit(action, { method: "POST", body: data });
  for (const [name, value] of [...data]) if (!value) data.delete(name);
  return visit(action + (data.size ? "?" + data : ""));
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='/review']");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  if (link.dataset.leave === undefined || mayLeave()) visit(link.getAttribute("href"));
});

window.addEventListener("popstate", () => visit(location.href, {}, "keep"));
window.addEventListener("beforeunload", (event) => { if (dirty()) event.preventDefault(); });

// ---- keys -------------------------------------------------------------------------------------------

const keysOn = () => localStorage.getItem("tbd-keys") !== "off";

document.addEventListener("change", (event) => {
  if (event.target.id === "keys") localStorage.setItem("tbd-keys", event.target.checked ? "on" : "off");
});

document.addEventListener("keydown", (event) => {
  const field = event.target.closest("textarea, select, input:not([type=checkbox])");
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && one("#edit")) {
    event.preventDefault();
    return one("#edit").requestSubmit();
  }
  if (event.key === "Escape") return leave(field);
  if (field || event.ctrlKey || event.metaKey || event.altKey || !keysOn()) return undefined;
  if (" " === event.key && event.target.closest("a, button, summary, input, video")) return undefined;
  const stepping = event.key === "," || event.key === ".";
  const panel = one(".panel[open]");
  const found = [...(panel ?? document).querySelectorAll("[data-key]")].find(
    (element) => element.dataset.key === event.key && visible(element));
  if (dirty() && event.key.length === 1 && !found?.matches("[data-do], [type=checkbox], .unflagged > summary")) {
    event.preventDefault();
    return tell("You changed the text: Ctrl+Enter saves it, Esc leaves the field and then the edit.");
  }
  if (!found) return undefined;
  event.preventDefault();
  if (event.repeat && !stepping) return undefined; // a key that is held decides one card, not many
  found.click();
  if (found.matches("summary") && found.parentElement.open) one("select, button, fieldset input", found.parentElement)?.focus();
  return undefined;
});

function leave(field) {
  const panel = one(".panel[open]") ?? document.activeElement.closest(".clips[open], .unflagged[open]");
  if (panel) {
    panel.open = false;
    one("summary", panel).focus();
  } else if (field) {
    one("main h1")?.focus({ preventScroll: true });
  } else {
    one("[data-leave]")?.click();
  }
}

document.addEventListener("toggle", (event) => { // one panel at a time
  if (event.target.open && event.target.matches(".panel")) {
    for (const other of document.querySelectorAll(".panel[open]")) if (other !== event.target) other.open = false;
  }
}, true);

document.addEventListener("click", (event) => {
  const panel = one(".panel[open]");
  if (panel && !panel.contains(event.target)) panel.open = false;
});

// ---- editing ----------------------------------------------------------------------------------------

const dirty = () => [...document.querySelectorAll("#edit textarea")].some((area) => area.value !== area.defaultValue);
const mayLeave = () => !dirty() || confirm("Throw your changes of the text away?");
let waiting = 0;
let asked = 0;

document.addEventListener("input", (event) => {
  if (!event.target.matches("#edit textarea")) return;
  clearTimeout(waiting);
  waiting = setTimeout(recheck, 200);
});

async function recheck() {
  const form = one("#edit");
  const turn = ++asked;
  try {
    const answer = await fetch(form.dataset.recheck, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    if (!answer.ok || turn !== asked || !form.isConnected) return;
    const { tokens, verdict } = await answer.json();
    form.querySelectorAll("output").forEach((output, at) => { output.textContent = `${tokens[at]} tokens`; });
    one("#verdict").innerHTML = verdict; // a template of the server, which escapes
  } catch { /* the text is checked again when it is saved */ }
}

// ---- the video --------------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  const what = event.target.closest("[data-do]")?.dataset.do;
  const player = one(".player");
  if (!what || !player) return;
  player.classList.add("open");
  const video = one("video", player);
  if (what === "play") return void (video.paused ? video.play().catch(() => {}) : video.pause());
  video.pause();
  video.currentTime = Math.max(0, video.currentTime + (what === "on" ? 1 : -1) / Number(player.dataset.fps));
});

const part = (video) => [Number(video.parentElement.dataset.start ?? 0), Number(video.parentElement.dataset.end ?? Infinity)];

for (const name of ["loadedmetadata", "play", "timeupdate"]) {
  document.addEventListener(name, ({ target: video }) => { // the clip may be a part of a longer file
    const [start, end] = part(video);
    if (video.currentTime < start - 0.05) video.currentTime = start;
    if (video.currentTime < end) return;
    if (name === "play") video.currentTime = start; else video.pause();
  }, true);
}

function unplayable(video) {
  video.hidden = !video.duration;
  video.classList.add("sound"); // which can still be heard
  one(".player .missing").hidden = false;
}
document.addEventListener("loadeddata", ({ target }) => { if (!target.videoWidth) unplayable(target); }, true);
document.addEventListener("error", ({ target }) => { // no element without words in its place
  if (target.matches?.(".player video")) unplayable(target);
  if (target.matches?.(".strip img")) { target.hidden = true; one(".media > .missing").hidden = false; }
}, true);

// ---- while a card is open ---------------------------------------------------------------------------

setInterval(async () => {
  const { renew, ticket } = one("main").dataset;
  if (!renew || document.hidden) return;
  try {
    const answer = await fetch(renew, { method: "POST", body: new URLSearchParams({ ticket }) });
    if (answer.ok && !(await answer.json()).held) tell("Another reviewer has this card now: it was open here for too long.");
  } catch { /* said at the next decision */ }
}, 120_000);

document.documentElement.classList.add("js");
arrive();

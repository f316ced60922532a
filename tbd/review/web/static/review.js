// The pages work without this script. It adds the keys, changes cards without a flash, and counts while you type.
"use strict";

const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const post = (form) => ({ method: "POST", body: new URLSearchParams(form) });
let busy = false;
let here = location.href;

function tell(words) {
  one("#status").textContent = "";
  requestAnimationFrame(() => { one("#status").textContent = words; }); // said again, even when it is the same
}

// ---- from page to page ------------------------------------------------------------------------------

const PREFER = { Prefer: "return=representation" }; // the next card at once, instead of its address

async function visit(url, options = {}, history = "push") {
  if (busy) return tell("The last one is still being saved; press again when the next is here.") ?? false; // nobody has seen that card
  if (!options.saves && !mayLeave()) return false;
  busy = true;
  const bulk = url.startsWith("/bulk");
  const waiting = setTimeout(() => document.documentElement.classList.add("busy") ?? tell("Working …"), 400);
  const counting = bulk ? setInterval(count, 500) : 0;
  try {
    const answer = await fetch(url, { ...options, headers: PREFER, signal: AbortSignal.timeout(bulk ? 600_000 : 20_000) });
    show(new DOMParser().parseFromString(await answer.text(), "text/html"), answer, history);
  } catch (error) {
    tell(error.name === "TimeoutError"
      ? "The server has not answered for too long. Whether this was saved is not known: try again, it will tell."
      : "The server does not answer, so nothing was saved; what you typed is still here. Is tbd review still running?");
  } finally {
    clearTimeout(waiting);
    clearInterval(counting);
    document.documentElement.classList.remove("busy");
    busy = false;
  }
  return true;
}

async function count() { // how far a bulk decision is
  const { done, total } = await (await fetch(one("main").dataset.progress)).json().catch(() => ({}));
  if (busy && total) tell(`Deciding ${done.toLocaleString("en")} of ${total.toLocaleString("en")} clips …`);
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
  const url = new URL(answer.headers.get("Content-Location") ?? answer.url, location.href).href;
  if (answer.ok && history === "push" && url !== location.href) window.history.pushState(null, "", url);
  here = location.href;
  tell(one("#status", page).textContent);
  arrive();
}

function arrive() {
  one("#keys")?.toggleAttribute("checked", setting("keys") !== "off");
  one("#autoplay")?.toggleAttribute("checked", setting("autoplay") === "on");
  (one("[autofocus]") ?? one("main h1") ?? one("main")).focus({ preventScroll: true });
  if (one("main.editing")) edit();
  if (setting("autoplay") === "on") one("[data-do=play]")?.click();
  const strip = one(".strip img");
  if (!strip || strip.complete) ahead(); else strip.addEventListener("load", ahead, { once: true });
}

function ahead() { // the picture of the card that comes next
  const rows = matchMedia("(min-width: 70rem)").matches ? "&rows=4" : "";
  if (one("main").dataset.ahead) new Image().src = one("main").dataset.ahead + rows;
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  const data = new URLSearchParams(new FormData(form, event.submitter));
  const action = event.submitter?.getAttribute("formaction") ?? form.getAttribute("action");
  event.preventDefault();
  if (event.submitter?.matches("[data-edit]")) return edit();
  if (form.getAttribute("method") === "post") return visit(action, { ...post(data), saves: data.get("action") === "edit" });
  for (const [name, value] of [...data]) if (!value) data.delete(name);
  return visit(action + (data.size ? "?" + data : ""));
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='/']:not([target])");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  if ("leave" in link.dataset) return void (mayLeave() && read());
  visit(link.getAttribute("href"));
});

window.addEventListener("popstate", async () => {
  if (!await visit(location.href, {}, "keep")) history.pushState(null, "", here); // the text that is typed stays before one
});
window.addEventListener("beforeunload", (event) => { if (dirty()) event.preventDefault(); });

// A tab that was doubled takes a name of its own, so that the two never move each other.
const tabs = new BroadcastChannel("tbd-review");
const mine = Math.random();
const name = () => new URL(location.href).searchParams.get("tab");
tabs.onmessage = ({ data: { who, tab, twin } }) => {
  if (who === mine || tab !== name()) return;
  if (twin === mine) location.replace(location.href.replace(/tab=[0-9a-f]+/, `tab=${Math.random().toString(16).slice(2, 10)}`));
  else if (!twin) tabs.postMessage({ who: mine, tab, twin: who });
};
if (name()) tabs.postMessage({ who: mine, tab: name() });

// ---- keys -------------------------------------------------------------------------------------------

const setting = (name) => localStorage.getItem(`tbd-${name}`);

document.addEventListener("change", ({ target }) => {
  if (["keys", "autoplay"].includes(target.id)) localStorage.setItem(`tbd-${target.id}`, target.checked ? "on" : "off");
});

function pressed(event) { // on layouts of other scripts the place of the key counts
  if (event.key.length !== 1 || /[ -~]/.test(event.key)) return event.key;
  const letter = event.code.replace(/^Key/, "");
  if (letter.length === 1) return event.shiftKey ? letter : letter.toLowerCase();
  return { Comma: ",", Period: ".", Slash: event.shiftKey ? "?" : "/" }[event.code] ?? event.code.replace(/^Digit/, "");
}

document.addEventListener("keydown", (event) => {
  const field = event.target.closest("textarea, select, input:not([type=checkbox])");
  if ((event.ctrlKey || event.metaKey) && (event.key === "Enter" || event.key === "s") && one("main.editing")) {
    event.preventDefault();
    return event.repeat ? undefined : one("[data-save]").click();
  }
  if (event.key === "Enter" && event.target.matches("input[type=checkbox]")) {
    event.preventDefault(); // ticks, and never decides
    return event.target.click();
  }
  if (event.key === "Enter" && event.target.matches("[name=note]")) {
    event.preventDefault();
    return leave(field);
  }
  if (event.key === "Escape") return leave(field);
  if (field || event.ctrlKey || event.metaKey || event.altKey || setting("keys") === "off") return undefined;
  const key = pressed(event);
  if (" " === key && event.target.closest("a, button, summary, input, video")) return undefined;
  const panel = one(".panel[open]");
  const found = all("[data-key]", panel ?? document).find((element) => element.dataset.key === key && element.getClientRects().length);
  if (dirty() && key.length === 1 && !found?.matches("[data-do], .verdicts, .list > summary, .note > summary")) {
    event.preventDefault();
    return tell("You changed the text: Ctrl+Enter saves it, Esc leaves the field and then the edit.");
  }
  if (!found) return undefined;
  event.preventDefault();
  if (event.repeat && key !== "," && key !== ".") return undefined; // a key that is held decides one card, not many
  if (found.matches(".verdicts")) return verdict(found);
  found.click();
  if (found.matches("summary") && found.parentElement.open) one("select, button, input:not([type=hidden])", found.nextElementSibling)?.focus();
  return undefined;
});

function verdict(element) { // right, wrong, neither
  const [right, wrong] = all("input", element);
  [right.checked, wrong.checked] = right.checked ? [false, true] : [!wrong.checked, false];
  tell(`${right.value}: ${right.checked ? "right" : wrong.checked ? "wrong" : "no verdict"}`);
}

document.addEventListener("change", ({ target }) => {
  if (target.checked && target.closest(".verdicts")) for (const other of all("input", target.closest(".verdicts"))) other.checked = other === target;
});

function leave(field) {
  const panel = one(".panel[open]") ?? document.activeElement.closest(".list[open]");
  if (panel) {
    panel.open = false;
    one("summary", panel).focus();
  } else if (field) {
    one("main h1")?.focus({ preventScroll: true });
  } else if (one("main.editing")) {
    one("[data-leave]").click();
  }
}

document.addEventListener("click", (event) => {
  const panel = one(".panel[open]");
  if (panel && !panel.contains(event.target)) panel.open = false;
});

// ---- editing, in place ------------------------------------------------------------------------------

const areas = () => all("main.editing textarea");
const dirty = () => areas().some((area) => area.value !== area.dataset.text);
const mayLeave = () => !dirty() || confirm("Throw your changes of the text away?");
let waiting = 0;
let asked = 0;

function edit() {
  one("main").classList.add("editing");
  for (const area of all("textarea")) area.disabled = false;
  const first = one(".bitten textarea") ?? one("textarea");
  first.focus({ preventScroll: true });
  first.scrollIntoView({ block: "nearest" });
  recheck();
}

function read() {
  one("main").classList.remove("editing");
  for (const area of all("textarea")) Object.assign(area, { value: area.dataset.text, disabled: true });
  one("main h1").focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-reset]")) return;
  const area = one("textarea", event.target.closest(".field"));
  area.value = area.dataset.model;
  area.focus();
  recheck();
});

document.addEventListener("input", (event) => {
  if (!event.target.matches("textarea")) return;
  clearTimeout(waiting);
  waiting = setTimeout(recheck, 200);
});

async function recheck() {
  const form = one("#decision");
  const turn = ++asked;
  try {
    const answer = await fetch(one("main").dataset.recheck, post(new FormData(form)));
    if (!answer.ok || turn !== asked || !form.isConnected) return;
    const found = new DOMParser().parseFromString(await answer.text(), "text/html");
    const [diffs, counts] = [all(".diff", found), all(".count", found)];
    all(".group .count").forEach((count, at) => counts[at] && count.replaceWith(counts[at]));
    areas().forEach((area, at) => one(".diff", area.parentElement).replaceWith(diffs[at]));
    one("#verdict").replaceChildren(...one("#verdict", found).childNodes);
  } catch { /* the text is checked again when it is saved */ }
}

// ---- bookmark and video -----------------------------------------------------------------------------

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-do]");
  const player = one(".player");
  if (button?.dataset.do === "bookmark") {
    const { bookmark, ticket } = one("main").dataset;
    const { bookmarked } = await (await fetch(bookmark, post({ ticket }))).json().catch(() => ({}));
    button.setAttribute("aria-pressed", Boolean(bookmarked));
    one("span", button).textContent = bookmarked ? "★" : "☆";
    return tell(bookmarked ? "Bookmarked: f shows your bookmarks." : "The bookmark is gone.");
  }
  if (!button || !player) return undefined;
  player.classList.add("open");
  const video = one("video", player);
  if (button.dataset.do === "play") return void (video.paused ? video.play().catch(() => {}) : video.pause());
  video.pause();
  video.currentTime = Math.max(0, video.currentTime + (button.dataset.do === "on" ? 1 : -1) / Number(player.dataset.fps));
  return undefined;
});

for (const name of ["loadedmetadata", "play", "timeupdate", "ended"]) {
  document.addEventListener(name, ({ target: video }) => { // the clip may be a part of a longer file; it loops
    const [start, end] = [Number(video.parentElement.dataset.start ?? 0), Number(video.parentElement.dataset.end ?? Infinity)];
    if (video.currentTime < start - 0.05 || (video.currentTime >= end && !video.paused)) video.currentTime = start;
    if (name === "ended") { video.currentTime = start; video.play().catch(() => {}); }
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
  if (target.matches?.(".strip img")) { target.closest(".strip").hidden = true; one(".media > .missing").hidden = false; }
}, true);

// ---- while a card is open ---------------------------------------------------------------------------

setInterval(async () => {
  const { renew, ticket } = one("main").dataset;
  if (!renew || document.hidden) return;
  try {
    const answer = await fetch(renew, post({ ticket }));
    if (answer.ok && !(await answer.json()).held) tell("Another reviewer has this card now: it was open here for too long.");
  } catch { /* said at the next decision */ }
}, 120_000);

document.documentElement.classList.add("js");
arrive();

"use strict";
// One clip after the other. What is next and where votes go differs: a server, or this browser's own memory.

const find = (id) => document.getElementById(id);
const rate = find("rate"), video = find("video");
const TRIES = 8;
let item = null, shownAt = 0, failures = 0;

const server = {
  next: () => answer(fetch("/item")),
  save: (vote) => answer(fetch("/vote", { method: "POST", body: new URLSearchParams({ position: vote.position, seconds: vote.seconds, ...vote.answers }) })),
};

async function answer(request) {
  const reply = await request, found = await reply.json();
  if (!reply.ok && reply.status !== 409) throw new Error(found.problem || `The server said ${reply.status}.`);
  return found;
}

function memory(study, rater) {
  const key = `tbd-study-${study.study}-${rater}`, items = study.raters[rater];
  const votes = () => JSON.parse(localStorage.getItem(key) || "[]");
  const next = async () => {
    const done = new Set(votes().map((vote) => vote.position));
    return items.find((one) => !done.has(one.position)) || { done: true, of: items.length, file: { study: study.study, rater, votes: votes() } };
  };
  const save = async (vote) => {
    const known = votes();
    if (!known.some((one) => one.position === vote.position)) localStorage.setItem(key, JSON.stringify([...known, vote]));
    return next();
  };
  return { next, save };
}

function show(found) {
  item = found;
  rate.hidden = Boolean(found.done);
  find("end").hidden = !found.done;
  if (found.done) return thank(found);
  find("where").textContent = `Video ${found.position + 1} of ${found.of}`;
  find("done").value = found.position / found.of;
  find("emotion").textContent = [found.intensity, found.emotion].filter(Boolean).join(" ");
  find("portrait").src = found.portrait;
  rate.reset();
  trouble("");
  for (const question of found.questions) {
    const field = rate.querySelector(`fieldset[name=${question.key}]`);
    field.disabled = true;
    field.querySelector("legend").textContent = question.text;
  }
  find("hint").hidden = false;
  failures = 0;
  load();
  shownAt = performance.now();
  enable();
  scrollTo(0, 0);
}

function thank(found) {
  find("thanks").textContent = `All ${found.of} videos are rated.`;
  if (!found.file) return find("thanks").append(" Your answers are saved; you can close this page.");
  find("thanks").append(" Save the file and send it to whoever asked you.");
  const link = find("save");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(found.file, null, 1)], { type: "application/json" }));
  link.download = `votes-${found.file.rater}.json`;
  link.hidden = false;
}

function watched() {
  for (const field of rate.querySelectorAll("fieldset")) field.disabled = false;
  find("hint").hidden = true;
  enable();
}

function enable() {
  find("next").disabled = [...rate.querySelectorAll("fieldset")].some((field) => field.disabled || !field.querySelector(":checked"));
}

function load() {
  video.removeAttribute("data-ready");
  video.src = item.video;
}

function loadAgain() {
  if (!item || item.done) return;
  if (++failures > TRIES) return trouble("This video cannot be played here; please try another browser.");
  trouble("The video could not be loaded; trying again…");
  setTimeout(load, 400 * failures);
}

function loaded() {
  if (failures) trouble("");
  failures = 0;
  video.setAttribute("data-ready", "");
}

const trouble = (words) => { rate.querySelector(".trouble").textContent = words; };

async function send(store) {
  const answers = Object.fromEntries(item.questions.map(({ key }) => [key, Number(rate.elements[key].value)]));
  find("next").disabled = true;
  try {
    show(await store.save({ position: item.position, seconds: Math.round((performance.now() - shownAt) / 100) / 10, answers }));
  } catch (error) {
    trouble(`Not saved: ${error.message} Your answers are still here; try again.`);
    enable();
  }
}

function begin(store) {
  find("code").hidden = true;
  video.addEventListener("ended", watched);
  video.addEventListener("error", loadAgain);
  video.addEventListener("canplay", loaded);
  rate.addEventListener("change", enable);
  rate.addEventListener("submit", (event) => { event.preventDefault(); send(store); });
  store.next().then(show, (error) => { rate.hidden = false; trouble(error.message); });
}

function ask(study) {
  const form = find("code");
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const rater = form.elements.rater.value.trim();
    if (Object.hasOwn(study.raters, rater)) begin(memory(study, rater));
    else form.querySelector(".trouble").textContent = "There is no such code.";
  });
}

const study = window.STUDY, code = new URLSearchParams(location.search).get("rater");
if (!study) begin(server);
else if (Object.hasOwn(study.raters, code || "")) begin(memory(study, code));
else ask(study);

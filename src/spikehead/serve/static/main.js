// The page: what it shows of the model, and what it does with a camera or with photos.

import * as api from "./api.js";
import { isolated, sentence, shown } from "./names.js";
import { readFile, startCamera, stopCamera, takePhoto } from "./photos.js";
import { Raster } from "./raster.js";

const LOOK_EVERY = 250; // milliseconds between two looks at the camera
const TAKE_EVERY = 200; // between two pictures of a lesson
const TAP = 5; // pictures of a tap
const MOST = 50; // pictures of a lesson
const COLOURS = 8;
const SHOWN_SHARES = 5;
const SHOWN_THUMBS = 6;
const SHOWN_LESSONS = 20;
const UNEVEN = 3; // times as many photos of one class as of another
const STEADY = 3; // the same answer in a row, before it is spoken

const $ = (id) => document.getElementById(id);
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
const percent = (share) => `${Math.round(100 * share)} %`;

let model = { classes: [], lessons: [] };
let tiles = []; // the photos that were chosen: {photo, url, answer}
let chosen = 0; // the tile whose answer is shown
let refused = []; // files that were not taken: {name, reason}
let picked = null; // the class whose button was pressed: a field cannot hold every name
let holding = false; // the button, or the space bar
let teaching = false;
const heard = { name: "", times: 0, spoken: "" };
const thumbs = new Map(); // some pictures of each lesson of this visit, by its number

const raster = new Raster($("raster"), colour);

// The name of a class's colour in the style sheet.
function colour(name) {
  const place = model.classes.findIndex((known) => known.name === name);
  return `--class-${Math.max(place, 0) % COLOURS}`;
}

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function dot(name) {
  const made = element("span", { className: "dot" });
  made.style.background = `var(${colour(name)})`;
  return made;
}

// ---------------------------------------------------------------- what goes wrong

function complain(why) {
  $("problem").textContent = why && shown(`${why[0].toUpperCase()}${why.slice(1)}.`);
  $("problem").hidden = !why;
}

// Do something with the service; if it fails, say why, or ask for the token that is missing.
async function attempt(work) {
  try {
    const result = await work();
    complain("");
    return result;
  } catch (error) {
    if (error.status === 401) await askForToken();
    else complain(error.message);
    return null;
  }
}

async function askForToken() {
  const dialog = $("token-dialog");
  if (dialog.open) return;
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  api.setToken($("token").value);
  await refresh();
}

// ---------------------------------------------------------------- what it has learned

async function refresh() {
  const described = await attempt(api.getModel);
  if (described) showModel(described);
}

function showModel(described) {
  model = described;
  const { classes, lessons } = model;
  const knows = classes.length
    ? `knows ${plural(classes.length, "class", "classes")} from ${plural(model.photos, "photo")}`
    : "knows nothing yet";
  $("summary").replaceChildren(isolated(model.name), ` ${knows}`);
  raster.members = model.members;
  $("members").textContent = model.members;
  $("classes").replaceChildren(...classes.map(classItem));
  $("chips").replaceChildren(...classes.map(chip));
  $("lessons").replaceChildren(...lessons.slice(-SHOWN_LESSONS).reverse().map(lessonItem));
  const last = lessons.at(-1);
  $("undo").disabled = !last;
  $("undo").replaceChildren(
    ...(last
      ? sentence`Undo “${last.class}”, ${plural(last.photos, "photo")}`
      : ["Nothing to undo"]),
  );
  $("advice").replaceChildren(...advice(classes));
  if (!classes.length) showAnswer(null);
  showTarget();
}

function classItem({ name, photos }) {
  const pictures = model.lessons
    .filter((lesson) => lesson.class === name)
    .flatMap((lesson) => thumbs.get(lesson.number) ?? [])
    .slice(-SHOWN_THUMBS)
    .map((src) => element("img", { src, alt: "" }));
  return element(
    "li",
    {},
    dot(name),
    isolated(name, { className: "name" }),
    element("span", { className: "count", textContent: plural(photos, "photo") }),
    element("span", { className: "thumbs" }, ...pictures),
  );
}

function lessonItem(lesson) {
  const time = new Date(lesson.taught_at);
  return element(
    "li",
    { value: lesson.number },
    dot(lesson.class),
    isolated(lesson.class, { className: "name" }),
    element("span", { className: "count", textContent: plural(lesson.photos, "photo") }),
    element("time", {
      dateTime: lesson.taught_at,
      title: time.toLocaleString(),
      textContent: time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }),
    }),
  );
}

function advice(classes) {
  if (classes.length === 1)
    return sentence`With one class, its answer is always “${classes[0].name}”: teach it another, if only what is there without it.`;
  const taught = classes.filter(({ photos }) => photos).sort((a, b) => a.photos - b.photos);
  const [least, most] = [taught.at(0), taught.at(-1)];
  if (least && most.photos > UNEVEN * least.photos)
    return sentence`It learns best from about as many photos of each: show it more of “${least.name}”.`;
  return [];
}

// ---------------------------------------------------------------- what it answers

function showAnswer(answer) {
  if (!answer) {
    $("answer-name").textContent = "";
    $("answer-share").textContent = model.classes.length ? "…" : "Teach it something first.";
    $("shares").replaceChildren();
    raster.clear();
    return;
  }
  const share = answer.shares[answer.class];
  $("answer-name").textContent = answer.unknown ? "unknown" : shown(answer.class);
  $("answer-name").style.color = answer.unknown ? "" : `var(${colour(answer.class)})`;
  $("answer-share").replaceChildren(...remark(answer, share));
  const best = Object.entries(answer.shares).sort((a, b) => b[1] - a[1]);
  showShares(best.slice(0, SHOWN_SHARES));
  raster.show(answer.spikes, answer.shares);
  if (answer.unknown) speak("unknown", "");
  else speak(answer.class, `, ${percent(share)}`);
}

function remark(answer, share) {
  if (answer.unknown) return sentence`Nothing that it knows; most like “${answer.class}”`;
  if (!Object.values(answer.spikes).some((counts) => counts.some(Boolean)))
    return [`${percent(share)}, a guess: no neuron spiked`];
  return [percent(share) + (answer.few_examples ? ", from few examples" : "")];
}

// Bars are kept by class, so that they grow and shrink instead of jumping.
function showShares(best) {
  const bars = new Map([...$("shares").children].map((bar) => [bar.dataset.name, bar]));
  const shown = best.map(([name, share]) => {
    const bar = bars.get(name) ?? shareBar(name);
    bar.querySelector(".bar > span").style.width = `${100 * share}%`;
    bar.querySelector(".count").textContent = percent(share);
    return bar;
  });
  if (shown.some((bar, place) => $("shares").children[place] !== bar) || shown.length < bars.size)
    $("shares").replaceChildren(...shown);
}

function shareBar(name) {
  const fill = element("span");
  fill.style.background = `var(${colour(name)})`;
  const bar = element(
    "li",
    {},
    isolated(name, { className: "name" }),
    element("span", { className: "bar" }, fill),
    element("span", { className: "count" }),
  );
  bar.dataset.name = name;
  return bar;
}

function speak(name, more) {
  heard.times = heard.name === name ? heard.times + 1 : 1;
  heard.name = name;
  if (heard.times < STEADY || heard.spoken === name) return;
  heard.spoken = name;
  $("spoken").replaceChildren(...sentence`${name}`, more);
}

async function watchCamera() {
  for (;;) {
    await pause(document.hidden ? 1000 : LOOK_EVERY);
    if (!cameraRuns() || document.hidden || teaching || !model.classes.length) continue;
    const answers = await attempt(async () => api.predict([await takePhoto($("video"))]));
    if (!answers) await pause(1000);
    else if (cameraRuns()) showAnswer(answers.answers[0]);
  }
}

// ---------------------------------------------------------------- the camera

const cameraRuns = () => Boolean($("video").srcObject) && !$("viewfinder").hidden;

async function turnCameraOn() {
  $("start-camera").disabled = true;
  try {
    await startCamera($("video"));
  } catch (error) {
    $("camera-note").textContent = `There is no camera: ${error.message}. Photos will do as well.`;
  }
  $("start-camera").disabled = false;
  $("video").hidden = !cameraRuns();
  $("camera-off").hidden = cameraRuns();
  showTarget();
}

function useCamera(camera) {
  $("use-camera").ariaPressed = camera;
  $("use-files").ariaPressed = !camera;
  $("viewfinder").hidden = !camera;
  $("files").hidden = camera;
  if (!camera) {
    stopCamera($("video"));
    $("video").hidden = true;
    $("camera-off").hidden = false;
    showTile(chosen);
  }
  showTarget();
}

// ---------------------------------------------------------------- photos

async function takeFiles(files) {
  if (!files.length) return;
  useCamera(false);
  for (const { url } of tiles) URL.revokeObjectURL(url);
  tiles = [];
  refused = [...files]
    .slice(MOST)
    .map(({ name }) => ({ name, reason: `${MOST} photos are taken at a time` }));
  for (const file of [...files].slice(0, MOST))
    try {
      const photo = await readFile(file);
      tiles.push({ photo, url: URL.createObjectURL(photo.blob), answer: null, problem: "" });
    } catch (error) {
      refused.push({ name: file.name, reason: error.message });
    }
  chosen = 0;
  await recogniseTiles();
}

async function recogniseTiles() {
  showTiles();
  showTarget();
  if (!tiles.length || !model.classes.length) return;
  const result = await attempt(() => api.predict(tiles.map(({ photo }) => photo)));
  if (!result) return;
  const answers = [...result.answers];
  const problems = new Map(result.skipped.map(({ place, reason }) => [place, reason]));
  tiles.forEach((tile, place) => {
    tile.problem = problems.get(place) ?? "";
    tile.answer = tile.problem ? null : answers.shift();
  });
  showTiles();
  showTile(chosen);
}

function showTiles() {
  $("tiles").replaceChildren(
    ...tiles.map(({ photo, url, answer, problem }, place) => {
      const caption = problem || (!answer ? "" : answer.unknown ? "unknown" : answer.class);
      const picture = element("img", { src: url, alt: shown(photo.name) });
      const button = element(
        "button",
        { type: "button", title: shown(photo.name), ariaPressed: place === chosen },
        picture,
        isolated(caption),
      );
      button.addEventListener("click", () => showTile(place));
      return element("li", {}, button);
    }),
  );
  const unread = tiles
    .filter(({ problem }) => problem)
    .map(({ photo, problem }) => ({ name: photo.name, reason: problem }));
  $("left-out").replaceChildren(
    ...[...unread, ...refused].map(({ name, reason }) =>
      element("li", {}, ...sentence`${name} is left out: ${reason}.`),
    ),
  );
}

function showTile(place) {
  chosen = place;
  [...$("tiles").children].forEach((tile, index) => {
    tile.firstChild.ariaPressed = index === place;
  });
  showAnswer(tiles[place]?.answer);
}

// ---------------------------------------------------------------- teaching

const target = () => picked ?? $("class-name").value.trim().normalize("NFC");

function chip({ name }) {
  const made = element("button", { type: "button" }, dot(name), isolated(name));
  made.dataset.name = name;
  made.addEventListener("click", () => {
    picked = name;
    $("class-name").value = shown(name);
    showTarget();
  });
  return made;
}

function showTarget() {
  const name = target();
  const camera = $("files").hidden;
  for (const made of $("chips").children) made.ariaPressed = made.dataset.name === name;
  $("teach").disabled = !name || !(camera ? cameraRuns() : tiles.length);
  const what = camera ? "Hold to teach" : `Teach ${plural(tiles.length, "photo")}${name && " as"}`;
  $("teach-label").replaceChildren(what, ...(name ? sentence` “${name}”` : []));
  $("teach-note").hidden = !camera;
}

// While the button is held, pictures are taken; a tap takes a few. One hold is one lesson.
async function takeWhileHeld() {
  const photos = [];
  while (photos.length < MOST && (holding || photos.length < TAP) && cameraRuns()) {
    photos.push(await takePhoto($("video")));
    $("teach-count").textContent = photos.length;
    $("flash").getAnimations().forEach((animation) => animation.cancel());
    $("flash").animate([{ opacity: 0.35 }, { opacity: 0 }], TAKE_EVERY);
    await pause(TAKE_EVERY);
  }
  return photos;
}

async function teach() {
  const name = target();
  const camera = $("files").hidden;
  if (teaching || $("teach").disabled) return;
  teaching = true;
  $("teach").ariaBusy = true;
  const photos = camera ? await takeWhileHeld() : tiles.map(({ photo }) => photo);
  const result = photos.length && (await attempt(() => api.teach(name, photos)));
  teaching = false;
  $("teach").ariaBusy = false;
  $("teach-count").textContent = "";
  if (result) {
    const lesson = result.model.lessons.at(-1);
    if (result.learned) thumbs.set(lesson.number, thumbnails(photos));
    $("said").replaceChildren(...outcome(name, result));
    showModel(result.model);
    if (!camera) await recogniseTiles();
  }
  showTarget();
}

function thumbnails(photos) {
  const places = new Set([0, photos.length >> 1, photos.length - 1]);
  return [...places].map((place) => URL.createObjectURL(photos[place].blob));
}

function outcome(name, { learned, known, skipped }) {
  return [
    ...sentence`Learned ${plural(learned, "photo")} of “${name}”`,
    ...(known ? [`; ${known} known already`] : []),
    ...skipped.flatMap(({ photo, reason }) => sentence`; ${photo} was left out: ${reason}`),
    ".",
  ];
}

async function undo() {
  const result = await attempt(api.undo);
  if (!result) return;
  for (const url of thumbs.get(result.undone.number) ?? []) URL.revokeObjectURL(url);
  thumbs.delete(result.undone.number);
  const { photos, class: name } = result.undone;
  $("said").replaceChildren(...sentence`Undid ${plural(photos, "photo")} of “${name}”.`);
  showModel(result.model);
  if ($("viewfinder").hidden) await recogniseTiles();
}

async function save() {
  const archive = await attempt(api.download);
  if (!archive) return;
  const href = URL.createObjectURL(archive);
  element("a", { href, download: `${model.name}.zip` }).click();
  URL.revokeObjectURL(href);
}

// ---------------------------------------------------------------- hands

const isFree = (event) => !event.target.closest("input, button, a, dialog");

function press(event) {
  if ($("teach").disabled) return;
  event.preventDefault();
  holding = true;
  teach();
}

$("teach").addEventListener("pointerdown", (event) => event.button === 0 && press(event));
$("teach").addEventListener("contextmenu", (event) => event.preventDefault());
document.addEventListener("keydown", (event) => {
  const onButton = event.target === $("teach") && event.key === "Enter";
  const space = event.key === " " && (event.target === $("teach") || isFree(event));
  if (onButton || space) event.repeat ? event.preventDefault() : press(event);
});
for (const release of ["pointerup", "pointercancel", "keyup", "blur"])
  window.addEventListener(release, () => (holding = false));

$("class-form").addEventListener("submit", (event) => {
  event.preventDefault();
  $("teach").focus();
});
$("class-name").addEventListener("input", () => {
  picked = null;
  showTarget();
});
$("start-camera").addEventListener("click", turnCameraOn);
$("use-camera").addEventListener("click", () => useCamera(true));
$("use-files").addEventListener("click", () => useCamera(false));
$("file-input").addEventListener("change", ({ target }) => takeFiles(target.files));
$("undo").addEventListener("click", undo);
$("download").addEventListener("click", save);
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  takeFiles(event.dataTransfer.files);
});

await refresh();
watchCamera();

// The page: what it shows of the model, and what it does with a camera or with photos.

import * as api from "./api.js";
import { showClasses, startClasses, told } from "./classes.js";
import { isolated, sentence, shown } from "./names.js";
import { $, button, clock, colour, dot, element, known, labelled, pause, percent, plural } from "./page.js";
import { readFile, startCamera, stopCamera, takePhoto } from "./photos.js";
import { Raster } from "./raster.js";
import { forgetSamples, keepSamples } from "./samples.js";
import { attempt, attemptIfFree } from "./trouble.js";
import { showChoices, startWaiting, suggestFirst } from "./waiting.js";

const LOOK_EVERY = 80; // milliseconds between two looks at the camera
const TAKE_EVERY = 200; // between two pictures of a lesson
const TAP = 5; // pictures of a tap
const MOST = 50; // pictures of a lesson
const SUGGESTED = 20; // photos that would teach most
const SHOWN_SHARES = 5;
const SHOWN_LESSONS = 20;
const UNEVEN = 3; // times as many photos of one class as of another
const STEADY = 3; // the same answer in a row, before it is spoken

let tiles = []; // the photos that were chosen: {photo, url, answer}
let chosen = 0; // the tile whose answer is shown
let refused = []; // files that were not taken: {name, reason}
let picked = null; // the class whose button was pressed: a field cannot hold every name
let holding = false; // the button, or the space bar
let teaching = false;
let stranger = null; // the photo that was unknown, as long as it can be taught by a tap
const heard = { name: "", times: 0, spoken: "" };

const raster = new Raster($("raster"), colour);

// ---------------------------------------------------------------- what it has learned

async function refresh() {
  const described = await attempt(api.getModel);
  if (described) showModel(described);
}

function showModel(described) {
  known.model = described;
  const { name, classes, lessons, members, photos } = described;
  const knows = classes.length
    ? `knows ${plural(classes.length, "class", "classes")} from ${plural(photos, "photo")}`
    : "knows nothing yet";
  $("summary").replaceChildren(isolated(name), ` ${knows}`);
  raster.members = members;
  $("members").textContent = members;
  $("agreement").hidden = members === 1;
  forgetSamples(lessons);
  showClasses();
  showChoices();
  $("chips").replaceChildren(...classes.map(chip));
  $("lessons").replaceChildren(...lessons.slice(-SHOWN_LESSONS).reverse().map(lessonItem));
  const last = lessons.at(-1);
  $("undo").disabled = !last;
  $("undo").replaceChildren(...(last ? ["Undo ", ...told(last)] : ["Nothing to undo"]));
  $("advice").replaceChildren(...advice(classes));
  if (!classes.length) showAnswer(null);
  showTarget();
  showMetrics();
}

async function showMetrics() {
  const metrics = await attempt(api.getMetrics);
  if (!metrics) return;
  const { right, unknown, corrected, changes } = metrics;
  const parts = [
    `Asked before each lesson, it was right in ${percent(right.share)} of ${plural(right.answers, "answer")}`,
    ...(unknown ? [`unknown in ${percent(unknown.share)}`] : []),
    `corrected in ${percent(corrected.share)}.`,
  ];
  $("metrics").textContent = right.share === null ? "" : parts.join(", ");
  $("changes").replaceChildren(
    ...changes.map((change) => element("li", {}, `${change[0].toUpperCase()}${change.slice(1)}.`)),
  );
}

function lessonItem(lesson) {
  return element(
    "li",
    { value: lesson.number },
    dot(lesson.into || lesson.class),
    element("span", { className: "name" }, ...told(lesson)),
    element("time", {
      dateTime: lesson.taught_at,
      title: new Date(lesson.taught_at).toLocaleString(),
      textContent: clock(lesson.taught_at),
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

function showAnswer(answer, photo) {
  if (!answer) {
    offer(null);
    $("answer-name").textContent = "";
    $("answer-share").textContent = known.model.classes.length ? "…" : "Teach it something first.";
    $("shares").replaceChildren();
    raster.clear();
    return;
  }
  const share = answer.shares[answer.class];
  $("answer-name").textContent = answer.unknown ? "unknown" : shown(answer.class);
  $("answer-name").className = answer.unknown ? "unknown" : "";
  $("answer-name").style.color = answer.unknown ? "" : `var(${colour(answer.class)})`;
  $("answer-share").replaceChildren(...remark(answer, share));
  const best = Object.entries(answer.shares).sort((a, b) => b[1] - a[1]);
  showShares(best.slice(0, SHOWN_SHARES));
  raster.show(answer.spikes, answer.shares);
  if (answer.unknown) speak("unknown", "");
  else speak(answer.class, `, ${percent(share)}`);
  offer(answer, photo);
}

function remark(answer, share) {
  if (answer.unknown) return sentence`Nothing that it knows; most like “${answer.class}”`;
  if (!Object.values(answer.spikes).some((counts) => counts.some(Boolean)))
    return [`${percent(share)}, a guess: no neuron spiked`];
  return [percent(share) + (answer.few_examples ? ", from few examples" : "")];
}

// An unknown photo can be taught by a tap, until the camera has seen something known for a while.
function offer(answer, photo) {
  if (answer?.unknown) stranger = photo;
  else if (!answer || !cameraRuns() || heard.times >= STEADY) stranger = null;
  $("stranger").hidden = !stranger;
  $("shares").hidden = Boolean(stranger);
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

// One look at a time, always at what the camera shows now: what is late is left out.
async function watchCamera() {
  for (;;) {
    const began = performance.now();
    const looks = cameraRuns() && !document.hidden && !teaching && known.model.classes.length;
    if (looks && !(await look())) await pause(1000);
    await pause(Math.max(LOOK_EVERY - (performance.now() - began), 0));
  }
}

async function look() {
  const photo = await takePhoto($("video"));
  const result = await attemptIfFree(() => api.predict([photo]));
  if (result && cameraRuns()) showAnswer(result.answers[0], photo);
  return Boolean(result);
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
  if (!tiles.length || !known.model.classes.length) return;
  const asked = tiles;
  const result = await attempt(() => api.predict(asked.map(({ photo }) => photo)));
  if (!result) return;
  const answers = [...result.answers];
  const problems = new Map(result.skipped.map(({ place, reason }) => [place, reason]));
  asked.forEach((tile, place) => {
    tile.problem = problems.get(place) ?? "";
    tile.answer = tile.problem ? null : answers.shift();
    tile.likely = null;
  });
  showTiles();
  showTile(chosen);
}

function showTiles() {
  $("tiles").replaceChildren(
    ...tiles.map(({ photo, url, answer, problem, likely }, place) => {
      const seen = !photo.unseen && !problem;
      const caption = problem || (!answer ? "" : answer.unknown ? "unknown" : answer.class);
      const content = [
        seen ? element("img", { src: url, alt: shown(photo.name) }) : isolated(photo.name),
        likely ? element("strong", {}, ...sentence`rather “${likely}”`) : isolated(caption),
      ];
      const properties = { title: shown(photo.name), ariaPressed: place === chosen };
      return element("li", {}, button(content, () => showTile(place), properties));
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
  showAnswer(tiles[place]?.answer, tiles[place]?.photo);
}

// Show the photos that are more like another class than the one that is named, and those first.
async function check() {
  const name = target();
  const asked = tiles;
  const result = await attempt(() => api.check(name, asked.map(({ photo }) => photo)));
  if (!result || asked !== tiles) return;
  const doubtful = result.doubts.filter(({ doubt }) => doubt > 0);
  const likely = new Map(doubtful.map((one) => [tiles[one.place], one.likely]));
  for (const tile of tiles) tile.likely = likely.get(tile);
  tiles = [...likely.keys(), ...tiles.filter((tile) => !likely.has(tile))];
  showTiles();
  showTile(0);
  $("said").replaceChildren(
    ...sentence`${plural(doubtful.length, "photo is", "photos are")} more like another thing than “${name}”.`,
  );
}

// Let those photos that would teach most be asked for, one after the other.
async function suggest() {
  const photos = tiles.map(({ photo }) => photo);
  const result = await attempt(() => api.suggest(photos, SUGGESTED));
  if (!result) return;
  suggestFirst(
    result.places.map((place, rank) => ({ photo: photos[place], answer: result.answers[rank] })),
  );
}

// ---------------------------------------------------------------- teaching

const target = () => picked ?? $("class-name").value.trim().normalize("NFC");

function chip({ name }) {
  const made = button(labelled(name), () => {
    picked = name;
    $("class-name").value = shown(name);
    showTarget();
  });
  made.dataset.name = name;
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
  $("suggest").disabled = tiles.length < 2 || !known.model.classes.length;
  $("check").disabled = $("suggest").disabled || !name;
  $("check").replaceChildren("Ask if one is no ", ...(name ? sentence`“${name}”` : ["such thing"]));
  $("teach-stranger").replaceChildren(...(name ? sentence`Teach it as “${name}”` : ["Name it"]));
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
  if (teaching || $("teach").disabled) return;
  await learn($("files").hidden ? takeWhileHeld : () => tiles.map(({ photo }) => photo));
}

async function teachStranger() {
  if (!target()) $("class-name").focus();
  else if (!teaching) await learn(() => [stranger]);
}

async function learn(take) {
  const name = target();
  teaching = true;
  $("teach").ariaBusy = true;
  const photos = await take();
  const result = photos.length && (await attempt(() => api.teach(name, photos)));
  teaching = false;
  $("teach").ariaBusy = false;
  $("teach-count").textContent = "";
  if (result) await showTaught(name, result, photos);
  showTarget();
}

async function showTaught(name, result, photos) {
  const lesson = result.model.lessons.at(-1);
  if (result.learned && lesson) await keepSamples(lesson, photos);
  $("said").replaceChildren(...outcome(name, result));
  await showChanged(result.model);
}

async function showChanged(described) {
  stranger = null;
  showModel(described);
  if ($("viewfinder").hidden) await recogniseTiles();
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
  $("said").replaceChildren("Undid ", ...told(result.undone), ".");
  await showChanged(result.model);
}

async function save() {
  const archive = await attempt(api.download);
  if (!archive) return;
  const href = URL.createObjectURL(archive);
  element("a", { href, download: `${known.model.name}.zip` }).click();
  URL.revokeObjectURL(href);
}

// ---------------------------------------------------------------- hands

const isFree = (event) => !event.target.closest("input, select, button, a, dialog");

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
  $(stranger ? "teach-stranger" : "teach").focus();
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
$("suggest").addEventListener("click", suggest);
$("check").addEventListener("click", check);
$("teach-stranger").addEventListener("click", teachStranger);
document.addEventListener("token", refresh);
$("download").addEventListener("click", save);
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  takeFiles(event.dataTransfer.files);
});

startClasses(showChanged);
startWaiting(showTaught);
await refresh();
watchCamera();

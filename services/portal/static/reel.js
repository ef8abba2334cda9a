// Clips one after another from the edit list, before anything is rendered: one video plays, the other waits at the next.
import { door, drop, onFrame, rateOf, speeds, timeOf, watch, WORDS } from "./film.js";
import { refresh } from "./portal.js";

const player = document.getElementById("reel-player");
const items = [...document.querySelectorAll("#edits > li")].filter((item) => item.dataset.numerator);
const edits = items.map((item) => ({
  film: item.dataset.film,
  first: Number(item.dataset.first),
  end: Number(item.dataset.end),
  rate: rateOf(item.dataset),
}));
const at = (id) => document.getElementById(id);
const films = [...new Set(edits.map((edit) => edit.film))];
let [showing, waiting] = player.querySelectorAll("video");
let current = 0;
let closedAlready = false;

function load(video, number) {
  const edit = edits[number];
  if (!edit) return;
  const source = player.dataset.media + edit.film;
  if (video.dataset.film !== edit.film) {
    video.dataset.film = edit.film;
    video.src = source;
  }
  video.dataset.number = number;
  video.currentTime = timeOf(edit.first, edit.rate);
}

function tell() {
  const playing = !showing.paused && !showing.ended;
  at("play").textContent = playing ? "Pause" : "Play";
  at("readout").textContent = `Clip ${current + 1} of ${edits.length}`;
  items.forEach((item, number) => item.toggleAttribute("data-current", number === current));
  player.dataset.current = current;
}

function turn(number, playing) {
  current = number;
  if (waiting.dataset.number === String(number)) {
    [showing, waiting] = [waiting, showing];
    waiting.pause();
    showing.hidden = false;
    waiting.hidden = true;
  } else {
    load(showing, number);
  }
  if (playing) showing.play().catch(() => {});
  load(waiting, number + 1);
  tell();
}

function ended(video, shown) {
  if (video !== showing || video.seeking || closedAlready) return;
  const edit = edits[current];
  player.dataset.stand = `${current}:${shown}`;
  if (shown < edit.end - 1 || video.paused) return;
  if (current + 1 < edits.length) turn(current + 1, true);
  else {
    video.pause();
    video.currentTime = timeOf(edit.end - 1, edit.rate);
    player.dataset.ended = "yes";
    tell();
  }
}

function closed(sentence) {
  closedAlready = true;
  for (const video of [showing, waiting]) drop(video);
  for (const part of player.querySelectorAll(".attune-player__screen, .attune-player__controls")) part.hidden = true;
  at("gone").textContent = sentence;
  at("gone").hidden = false;
  player.dataset.closed = "yes";
  refresh();
}

at("play").addEventListener("click", () => {
  if (!showing.paused) return showing.pause();
  if (player.dataset.ended) {
    delete player.dataset.ended;
    return turn(0, true);
  }
  showing.play().catch(() => {});
});
at("back").addEventListener("click", () => turn(Math.max(current - 1, 0), !showing.paused));
at("next").addEventListener("click", () => turn(Math.min(current + 1, edits.length - 1), !showing.paused));
speeds(player.querySelectorAll("[data-speed]"), [showing, waiting]);

const statuses = await Promise.all(films.map(door));
const wrong = statuses.find((status) => status !== 204);
if (!edits.length) {
  closed(WORDS.gone);
} else if (wrong !== undefined) {
  closed(wrong === 401 ? WORDS.signedOut : wrong === 404 ? WORDS.gone : wrong === 403 ? WORDS.refused : WORDS.blind);
} else {
  const watching = watch(player.dataset.media, films, closed);
  for (const video of [showing, waiting]) {
    onFrame(video, () => edits[current].rate, (shown) => ended(video, shown));
    for (const event of ["play", "pause"]) video.addEventListener(event, tell);
    video.addEventListener("error", () => watching.look());
  }
  load(showing, 0);
  load(waiting, 1);
  tell();
  player.dataset.ready = "yes";
}

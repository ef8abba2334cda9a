// The film of a recording, frame by frame, and marking clips in it: with the mouse, or with the keyboard alone.
import { clock, door, drop, frameAt, onFrame, rateOf, speeds, timeOf, watch, WORDS } from "./film.js";
import { glimpse } from "./glimpse.js";
import { refresh } from "./portal.js";
import { closeStills } from "./stills.js";

const at = (id) => document.getElementById(id);
let leave = null; // lets go of the player that is on the page, and says how it stood
let coming = null; // settled when another film has taken its place, or could not

// Put a player to work; `before` is how the one stood whose place it takes, its film loaded already.
async function open(player, before) {
  const video = at("video");
  const rate = rateOf(player.dataset);
  const last = Number(player.dataset.frames) - 1;
  const { film, media, poster, sprite, waveform, src } = player.dataset;
  let frame = 0;
  let until = null; // the last frame of the clip that is being played
  const over = new AbortController();
  const listen = (event, act) => document.addEventListener(event, act, { signal: over.signal });

  function stand(now) {
    frame = Math.min(Math.max(now, 0), last);
    at("frame").textContent = frame;
    at("time").textContent = clock(frame, rate);
    at("position").value = frame;
    at("position").setAttribute("aria-valuetext", `Frame ${frame}, ${clock(frame, rate)}`);
    player.dataset.frame = frame;
  }

  function go(to) {
    until = null;
    video.pause();
    stand(to);
    video.currentTime = timeOf(frame, rate);
  }

  function play(from, to) {
    if (from !== undefined) {
      stand(from);
      video.currentTime = timeOf(from, rate);
    }
    until = to ?? null;
    if (frame >= last && from === undefined) video.currentTime = 0;
    video.play().catch(() => {}); // paused again before it began
  }

  const toggle = () => (video.paused ? play() : video.pause());
  const second = Math.round(rate);
  const steps = { "second-back": -second, second, "-1": -1, 1: 1 };

  onFrame(video, () => rate, (shown) => {
    if (video.seeking && video.paused) return; // an older wish; the newest one is on the way
    if (until !== null && shown >= until) {
      const end = until;
      until = null;
      video.pause();
      stand(end);
      video.currentTime = timeOf(end, rate);
    } else {
      stand(shown);
    }
  });
  video.addEventListener("play", () => (at("play").textContent = "Pause"));
  video.addEventListener("pause", () => (at("play").textContent = "Play"));
  video.addEventListener("error", () => watching?.look());

  at("play").addEventListener("click", toggle);
  at("mute").addEventListener("click", () => {
    video.muted = !video.muted;
    at("mute").setAttribute("aria-pressed", video.muted);
  });
  speeds(player.querySelectorAll("[data-speed]"), [video]);
  at("position").addEventListener("input", () => go(Number(at("position").value)));
  glimpse(at("position"), at("glimpse"), last + 1, rate);
  at("waveform").addEventListener("load", () => (at("waveform").hidden = false));
  for (const button of player.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => go(frame + steps[button.dataset.step]));
  }

  // Marks: numbers of frames, in the form beside the film

  function span() {
    const [first, end] = [at("first"), at("last")].map((field) => (field?.value ? Number(field.value) : NaN));
    const whole = end >= first;
    if (at("length")) {
      at("length").textContent = whole ? `Frames ${first} to ${end}: ${((end - first + 1) / rate).toFixed(1)} seconds` : "";
    }
    return whole ? [first, end] : null;
  }

  function mark(field) {
    if (!at(field)) return;
    at(field).value = frame;
    if (!span()) at("length").textContent = field === "first" ? `Begins at frame ${frame}` : `Ends at frame ${frame}`;
  }

  listen("click", (event) => {
    const button = event.target.closest("button");
    if (!button || button.disabled) return;
    if (button.id === "mark-in") mark("first");
    else if (button.id === "mark-out") mark("last");
    else if (button.id === "preview" && span()) play(...span());
    else if ("playClip" in button.dataset) {
      const { first, end } = button.closest("[data-clip]").dataset;
      player.scrollIntoView({ block: "nearest" });
      play(Number(first), Number(end) - 1);
    } else if (button.dataset.move) move(button);
    else if (button.name === "still") at("still-frame").value = button.dataset.frame ?? frame;
  });
  listen("input", (event) => ["first", "last"].includes(event.target.id) && span());
  listen("taken", (event) => {
    if (event.target.id === "mark") {
      at("length").textContent = "";
      player.focus({ preventScroll: true });
    }
  });

  player.addEventListener("keydown", (event) => {
    if (player.dataset.closed || event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = {
      ArrowLeft: () => go(frame - (event.shiftKey ? second : 1)),
      ArrowRight: () => go(frame + (event.shiftKey ? second : 1)),
      Home: () => go(0),
      End: () => go(last),
      i: () => mark("first"),
      o: () => mark("last"),
    };
    if (!event.target.matches("button")) keys[" "] = toggle;
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  // The order of the clips is the order in which they stand on the page

  function move(button) {
    const item = button.closest("[data-clip]");
    const other = button.dataset.move < 0 ? item.previousElementSibling : item.nextElementSibling;
    if (!other) return;
    if (button.dataset.move < 0) other.before(item);
    else other.after(item);
    button.focus();
    const place = [...item.parentElement.children].indexOf(item) + 1;
    at("order-said").textContent = `${item.querySelector("strong").textContent} is now number ${place}`;
  }

  // The film comes, and goes at once when it may not be watched any more

  let watching = null;

  function closed(sentence) {
    drop(video);
    closeStills();
    for (const picture of player.querySelectorAll("img")) picture.removeAttribute("src");
    for (const part of [at("player-controls"), ...document.querySelectorAll("[data-while-watching]")]) part.hidden = true;
    player.querySelector(".attune-player__screen").hidden = true;
    at("gone").textContent = sentence;
    at("gone").hidden = false;
    player.dataset.closed = "yes";
    refresh(); // the page says what has become of the consent
  }

  // A first look is gone as soon as the film itself is there: then the page knows of that one.
  async function gone(sentence) {
    if ("look" in player.dataset && sentence === WORDS.gone) {
      await refresh();
      await coming;
      if (at("player") !== player) return;
    }
    closed(sentence);
  }

  leave = () => {
    over.abort();
    watching?.stop();
    const { activeElement } = document;
    const focus = player.contains(activeElement) ? activeElement.id || "player" : "";
    return { frame, until, focus, paused: video.paused && !video.ended, muted: video.muted, speed: video.playbackRate };
  };

  const status = before ? 204 : await door(film);
  if (status === 204) {
    if (before) goOn();
    else video.src = src;
    watching = watch(media, [film], gone);
    const show = async (artefact, picture, attribute = "src") => {
      if (artefact && (await door(artefact)) === 204 && !player.dataset.closed) picture[attribute] = media + artefact;
    };
    await Promise.all([
      show(poster, video, "poster"),
      show(sprite, at("glimpse").querySelector("img")),
      show(waveform, at("waveform")),
    ]);
  } else {
    await gone(status === 401 ? WORDS.signedOut : status === 404 ? WORDS.gone : status === 403 ? WORDS.refused : WORDS.blind);
  }
  if (!before) stand(0);

  function goOn() {
    player.querySelector(`[data-speed="${before.speed}"]`).click();
    if (before.muted) at("mute").click();
    stand(before.frame);
    video.currentTime = timeOf(frame, rate);
    if (!before.paused) play(frame, before.until);
    if (before.focus) at(before.focus)?.focus({ preventScroll: true });
  }
}

// Another film for this recording: the film itself after a first look. It takes over at the same frame when it can be
// shown, and what stands in the form stays.
async function become(next) {
  document.adoptNode(next); // from the page as it was read, before anything else is taken from there
  const video = next.querySelector("video");
  const can = (event) => new Promise((resolve) => video.addEventListener(event, () => resolve(true), { once: true }));
  let ready = (await door(next.dataset.film)) === 204;
  if (ready) {
    const failed = can("error").then(() => false);
    const loaded = can("loadeddata");
    video.src = next.dataset.src;
    ready = await Promise.race([loaded, failed]);
    if (ready) {
      const seeked = can("seeked");
      video.currentTime = timeOf(Number(at("player").dataset.frame), rateOf(next.dataset));
      ready = await Promise.race([seeked, failed]);
    }
  }
  const old = at("player");
  if (!ready || old.dataset.closed) {
    drop(video);
    if (!ready) setTimeout(refresh, 1500);
    return;
  }
  const before = leave();
  const rates = [old, next].map((player) => rateOf(player.dataset)); // where an opening was told of by another rate
  const moved = (number) => frameAt(timeOf(number, rates[0]), rates[1]);
  before.frame = moved(before.frame);
  before.until &&= moved(before.until);
  const ratio = rates[1] / rates[0];
  if (at("first")?.value) at("first").value = Math.floor(Number(at("first").value) * ratio + 1e-6);
  if (at("watched")) at("watched").value = next.dataset.film;
  if (at("last")?.value) at("last").value = Math.ceil((Number(at("last").value) + 1) * ratio - 1e-6) - 1;
  drop(at("video"));
  old.replaceWith(next);
  open(next, before);
}

document.addEventListener("followed", ({ detail: fresh }) => {
  const [shown, next] = [at("player"), fresh.getElementById("player")];
  if (!shown || !next || coming || shown.dataset.closed || next.dataset.film === shown.dataset.film) return;
  coming = become(next).finally(() => (coming = null));
});

if (at("player")) open(at("player"));

// How a film comes to a page, and how it goes: by a cookie for a few minutes, and not a moment longer than allowed.
const LOOK = 5000; // how often is asked whether it may still be watched
const BLIND = 30000; // without an answer for so long the film is closed
const RENEW = 5 * 60 * 1000;

export const WORDS = {
  refused: "This film is closed: the family’s consent no longer allows anybody to watch it.",
  gone: "This film is closed: it is no longer kept.",
  signedOut: "This film is closed: your sign-in is over. Sign in again.",
  blind: "This film is closed: we cannot check at the moment whether it may be watched. Load the page again.",
};

// Get the cookie for one artefact: the status of the answer, 0 when there was none.
export async function door(artefact) {
  try {
    return (await fetch(`/media/${artefact}/session`, { method: "POST" })).status;
  } catch {
    return 0;
  }
}

// Ask again and again whether these may be watched; `closed` is called once, with a sentence, when one may not.
export function watch(media, artefacts, closed) {
  let seen = Date.now();
  let renewed = Date.now();
  let timer = 0;
  let over = false;

  function close(sentence) {
    over = true;
    clearTimeout(timer);
    closed(sentence);
  }

  async function look() {
    clearTimeout(timer);
    if (over) return;
    if (Date.now() - renewed > RENEW) {
      renewed = Date.now();
      await Promise.all(artefacts.map(door));
    }
    for (const artefact of artefacts) {
      let status = 0;
      try {
        status = (await fetch(media + artefact, { method: "HEAD", credentials: "include", cache: "no-store" })).status;
      } catch { /* no answer */ }
      if (over) return;
      if (status === 403) return close(WORDS.refused);
      if (status === 404) return close(WORDS.gone);
      if (status === 401 && (await door(artefact)) === 401) return close(WORDS.signedOut);
      if (status >= 200 && status < 300) seen = Date.now();
    }
    if (Date.now() - seen > BLIND) return close(WORDS.blind);
    timer = setTimeout(look, LOOK);
  }

  document.addEventListener("visibilitychange", () => document.hidden || look());
  timer = setTimeout(look, LOOK);
  return { look, stop: () => ((over = true), clearTimeout(timer)) };
}

// Let go of the film itself: what the browser has read of it goes with the source.
export function drop(video) {
  video.pause();
  video.removeAttribute("src");
  video.removeAttribute("poster");
  video.load();
  video.hidden = true;
}

export const rateOf = (data) => Number(data.numerator) / Number(data.denominator);

// The middle of a frame: no rounding lands on its neighbour.
export const timeOf = (frame, rate) => (frame + 0.5) / rate;

// The frame that is shown at a time; browsers say the frame's own time, or the one that was sought.
export const frameAt = (time, rate) => Math.floor(time * rate + 0.01);

export function clock(frame, rate) {
  const hundredths = Math.floor((frame * 100) / rate + 1e-6);
  const two = (number) => String(number).padStart(2, "0");
  return `${Math.floor(hundredths / 6000)}:${two(Math.floor(hundredths / 100) % 60)}.${two(hundredths % 100)}`;
}

// Buttons for the speed of one or more videos: slower keeps the pitch, and what is loaded later is as slow.
export function speeds(buttons, videos) {
  for (const button of buttons) {
    button.addEventListener("click", () => {
      for (const video of videos) {
        video.preservesPitch = true;
        video.defaultPlaybackRate = video.playbackRate = Number(button.dataset.speed);
      }
      for (const other of buttons) other.setAttribute("aria-pressed", other === button);
    });
  }
}

// Call with each frame that is shown, or as often as the browser tells where there is no such callback; `rate` is asked
// each time, for a video may come to show another film.
export function onFrame(video, rate, shown) {
  if ("requestVideoFrameCallback" in video) {
    const next = (_, data) => {
      shown(frameAt(data.mediaTime, rate()));
      video.requestVideoFrameCallback(next);
    };
    video.requestVideoFrameCallback(next);
  } else {
    for (const event of ["timeupdate", "seeked"]) video.addEventListener(event, () => shown(frameAt(video.currentTime, rate())));
  }
}

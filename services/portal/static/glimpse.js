// A small picture of the moment under the pointer on the slider, from the film's sprite. Keys need none: by them the
// film itself goes there.
import { clock } from "./film.js";

const SIDE = 10; // tiles of the sprite, row by row; each stands for an equal part of the film
const THUMB = 16; // pixels: at either end of the slider the middle of its thumb stays half of them inside

export function glimpse(slider, place, frames, rate) {
  const sprite = place.querySelector("img");
  const hide = () => (place.hidden = true);

  function show(frame) {
    if (!sprite.naturalWidth) return; // not there yet, or there is none
    const tile = Math.min(Math.floor((frame * SIDE * SIDE) / frames), SIDE * SIDE - 1);
    sprite.style.left = `${-100 * (tile % SIDE)}%`;
    sprite.style.top = `${-100 * Math.floor(tile / SIDE)}%`;
    sprite.parentElement.style.width = `${sprite.naturalWidth / SIDE}px`;
    sprite.parentElement.style.height = `${sprite.naturalHeight / SIDE}px`;
    place.querySelector("span").textContent = clock(frame, rate);
    place.hidden = false;
    const middle = THUMB / 2 + ((slider.clientWidth - THUMB) * frame) / Math.max(frames - 1, 1);
    const room = slider.clientWidth - place.offsetWidth;
    place.style.left = `${Math.min(Math.max(middle - place.offsetWidth / 2, 0), room)}px`;
  }

  slider.addEventListener("pointermove", (event) => {
    const { left, width } = slider.getBoundingClientRect();
    const along = (event.clientX - left - THUMB / 2) / (width - THUMB);
    show(Math.round(Math.min(Math.max(along, 0), 1) * (frames - 1)));
  });
  slider.addEventListener("input", () => show(Number(slider.value)));
  for (const event of ["pointerleave", "pointercancel", "change"]) slider.addEventListener(event, hide);
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
}

// Stills of the clips on a page: each is shown as long as it may be, also one that comes while the page is open.
import { door, watch } from "./film.js";

let watching = null;
let over = false;

function lose(image) {
  const words = document.createElement("p");
  words.textContent = "This picture may not be shown.";
  image.replaceWith(words);
}

export function closeStills() {
  over = true;
  watching?.stop();
  document.querySelectorAll("img[data-still]").forEach(lose);
}

async function show(image) {
  const { still, media } = image.dataset;
  image.dataset.asked = "yes";
  image.addEventListener("error", () => lose(image));
  if ((await door(still)) !== 204 || over) return lose(image);
  image.src = media + still;
  watching ??= watch(media, [still], closeStills); // all are of one film, so what holds for one holds for each
}

const look = () => document.querySelectorAll("img[data-still]:not([data-asked])").forEach(show);
new MutationObserver(look).observe(document.querySelector("main"), { childList: true, subtree: true });
look();

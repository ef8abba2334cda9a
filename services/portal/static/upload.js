// A film on its way, by tus: in pieces, resumed where it stopped, also after the page was closed.
const form = document.getElementById("upload");
const at = (id) => document.getElementById(id);
const RENEW = 5 * 60 * 1000; // the cookie for the upload lives a little longer than that
const PIECE = 8 * 1024 * 1024;
const WAITS = [0, 1000, 3000, 5000, 10000, 20000, 30000];
const AGAIN = 30 * 1000; // after those, for as long as the page is open
const AWAY = [502, 503, 504]; // said in our stead, or by a part that waits for another

if (form) {
  let upload = null;
  let waiting = null; // for a line, once it is broken
  let renewed = 0;
  let told = -1;

  async function door() {
    if (Date.now() - renewed < RENEW) return;
    const answer = await fetch("/upload-session", { method: "POST" });
    if (answer.status === 401) return location.assign("/sign-in");
    if (answer.ok) renewed = Date.now();
  }

  // What a film is recognised by when it is chosen again; its name is kept nowhere, so only a digest of it all.
  async function fingerprint(file) {
    const said = [file.name, file.size, file.lastModified, form.dataset.episode].join("\n");
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(said));
    return `film-${[...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  }

  function answers() {
    const data = new FormData(form);
    const [day, month, year] = ["day", "month", "year"].map((part) => (data.get(`filmed_on-${part}`) ?? "").trim());
    const two = (number) => number.padStart(2, "0");
    return {
      episode_id: form.dataset.episode,
      people: data.getAll("people").join(","),
      filmed_on: `${year}-${two(month)}-${two(day)}`,
      happy_to_film: data.get("happy") ?? "",
      kind: data.get("kind") ?? "",
    };
  }

  function fail(sentence) {
    at("failure").textContent = sentence;
    at("failed").hidden = false;
    at("failed").focus();
    at("progress").hidden = true;
    at("pause").hidden = true;
    at("start").hidden = false;
    at("choose").hidden = false;
    at("questions").hidden = false;
  }

  // The sentence of the upload service, or of the one field that it names.
  function sentence(error) {
    const body = error.originalResponse?.getBody();
    try {
      const problem = JSON.parse(body);
      const said = (problem.errors ?? []).map((one) => one.problem).join("; ");
      return said ? `${problem.detail} (${said})` : problem.detail;
    } catch {
      return "The line broke. Choose the same file again: it goes on where it stopped.";
    }
  }

  // A device that sleeps sends nothing: while a film is on its way it is asked to stay awake, where it can be asked.
  function stayAwake() {
    if (upload && document.visibilityState === "visible") navigator.wakeLock?.request("screen").catch(() => {});
  }
  document.addEventListener("visibilitychange", stayAwake);

  // It slept all the same, left the house, or is not let in yet: nobody has to choose anything again.
  function broken(error) {
    const status = error.originalResponse?.getStatus() ?? 0;
    if (status && !AWAY.includes(status)) return fail(sentence(error));
    const what = navigator.onLine ? "Attune cannot be reached" : "There is no network";
    at("progress-state").textContent = `${what}. It goes on by itself as soon as it can.`;
    waiting = new AbortController();
    const { signal } = waiting;
    addEventListener("online", goOn, { signal });
    document.addEventListener("visibilitychange", () => document.hidden || goOn(), { signal });
    const timer = setTimeout(goOn, AGAIN);
    signal.addEventListener("abort", () => clearTimeout(timer));
  }

  function goOn() {
    waiting?.abort();
    upload.start();
  }

  const mb = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

  function show(sent, whole) {
    const percent = Math.floor((100 * sent) / whole);
    at("bar").value = percent;
    at("progress-state").textContent = `${percent}%: ${mb(sent)} of ${mb(whole)}`;
    if (percent >= told + 10) {
      told = percent;
      at("progress-said").textContent = `${percent}% of the film has arrived`;
    }
  }

  async function start(file) {
    at("failed").hidden = true;
    upload = new tus.Upload(file, {
      endpoint: form.dataset.endpoint,
      chunkSize: PIECE,
      retryDelays: WAITS,
      metadata: answers(),
      fingerprint,
      removeFingerprintOnSuccess: true,
      storeFingerprintForResuming: true,
      onBeforeRequest: async (request) => {
        await door();
        request.getUnderlyingObject().withCredentials = true;
      },
      onProgress: show,
      onError: broken,
      onSuccess: () => location.assign(`/recordings/${upload.url.split("/").pop()}`),
    });
    const [earlier] = await upload.findPreviousUploads();
    if (earlier) upload.resumeFromPreviousUpload(earlier);
    at("start").hidden = true;
    at("pause").hidden = false;
    at("progress").hidden = false;
    at("choose").hidden = true;
    at("questions").hidden = true;
    show(0, file.size);
    upload.start();
    stayAwake();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [file] = at("film").files;
    at("film-error").hidden = Boolean(file);
    at("film-error").textContent = file ? "" : "Choose the film first";
    if (file) start(file);
    else at("film").focus();
  });

  at("pause").addEventListener("click", () => {
    if (at("pause").dataset.paused) {
      delete at("pause").dataset.paused;
      at("pause").textContent = "Pause";
      goOn();
    } else {
      at("pause").dataset.paused = "yes";
      at("pause").textContent = "Go on";
      waiting?.abort();
      upload.abort();
    }
  });
}

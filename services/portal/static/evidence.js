// A signed form is stored as soon as it is chosen; the record then names it.
const file = document.getElementById("evidence");
const state = document.getElementById("evidence-state");
const id = document.getElementById("evidence_id");

file?.addEventListener("change", async () => {
  const [chosen] = file.files;
  id.value = "";
  if (!chosen) return;
  state.textContent = "The form is being stored …";
  try {
    const answer = await fetch(file.dataset.to, { method: "POST", body: chosen, headers: { "Content-Type": chosen.type } });
    if (answer.ok) {
      id.value = (await answer.json()).evidence_id;
      state.textContent = "The form is stored.";
    } else {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      state.textContent = page.querySelector(".nhsuk-lede-text")?.textContent ?? "The form was not stored. Try again.";
    }
  } catch {
    state.textContent = "The line broke. Choose the form again.";
  }
});

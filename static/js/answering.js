// Answering one message, reacting to it and changing it: where the focus goes, and when what stands above the composer is closed.
"use strict";

(() => {
  const part = () => document.getElementById("answering");
  // By its id: the thread may be drawn anew meanwhile.
  let openedBy = "";

  // What somebody opened while a message went up is meant for the next one.
  const quoted = () => { const field = part().querySelector("[name='answers_to']"); return field && field.value; };
  const close = () => { const box = part(); if (box) box.replaceChildren(); };
  // After a reaction or a change one goes on where one was, after a quote with the text.
  const leave = () => {
    const box = part();
    const opener = box.querySelector("[data-reacting], [data-changing]") && document.getElementById(openedBy);
    close();
    (opener || document.getElementById("composer-text")).focus();
  };

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.closest(".bubble-actions")) openedBy = event.detail.elt.id;
  });
  // Not before: until then htmx knows nothing of the new form, and who is quick would load the whole page.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target.id !== "answering") return;
    const typed = part().querySelector("[aria-invalid='true']");
    const first = part().querySelector("button[name='sign'], [data-first]");
    const field = typed || first || document.getElementById("composer-text");
    field.focus();
    // Whoever edits a text goes on at its end.
    if (field.matches("[data-changing] textarea")) field.setSelectionRange(field.value.length, field.value.length);
  });

  // What was quoted is sent, the reaction or the change is on its way.
  document.addEventListener("htmx:afterRequest", (event) => {
    const { elt: form, xhr, requestConfig, successful } = event.detail;
    // A refusal may be drawn as well.
    if (!successful || xhr.status >= 400 || !form.matches) return;
    if (form.matches("[data-reacting], [data-changing]")) leave();
    else if (form.matches("[data-composer]") && quoted() === requestConfig.formData.get("answers_to")) close();
  });

  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-quote-cancel]")) return;
    event.preventDefault();
    leave();
  });
  // As in the composer: Enter saves, unless it only ends a word that is being composed.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    if (!event.target.matches("[data-changing] textarea")) return;
    event.preventDefault();
    const button = event.target.form.querySelector("button");
    if (button) event.target.form.requestSubmit();
  });
  document.addEventListener("keydown", (event) => {
    const box = part();
    if (event.key !== "Escape" || !box || !box.contains(event.target)) return;
    event.preventDefault();
    leave();
  });
})();

// Puts a variable into the text that was written in last, where the cursor stands.
"use strict";

(() => {
  let written = null;
  document.addEventListener("focusin", (event) => {
    if (event.target.matches("[data-wording]")) written = event.target;
  });
  document.addEventListener("click", (event) => {
    const chip = event.target.closest("[data-insert]");
    if (!chip) return;
    const text = written || document.querySelector("[data-wording]");
    text.focus();
    text.setRangeText(chip.dataset.insert, text.selectionStart, text.selectionEnd, "end");
    // The preview follows what is written.
    text.dispatchEvent(new Event("input", { bubbles: true }));
  });
})();

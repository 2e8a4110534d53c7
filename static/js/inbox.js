// What only conversations need: the thread's place and its news, the composer, quick replies, drafts, keys, the sound.
"use strict";

(() => {
  const find = (selector) => document.querySelector(selector);
  const findAll = (selector) => [...document.querySelectorAll(selector)];
  const isCalm = window.matchMedia("(prefers-reduced-motion: reduce)");

  // A browser may keep nothing: then nothing is remembered, and all else works.
  const memory = {
    keys() { try { return Object.keys(localStorage); } catch { return []; } },
    read(key) { try { return JSON.parse(localStorage.getItem(key)); } catch { return null; } },
    write(key, value) { try { localStorage.setItem(key, JSON.stringify(value)); } catch { /* Full, or not allowed. */ } },
    drop(key) { try { localStorage.removeItem(key); } catch { /* Not allowed. */ } },
  };

  // The same words twice are heard twice only when the line was empty in between.
  const say = (words) => {
    const line = find("#announcer");
    line.textContent = "";
    window.setTimeout(() => { line.textContent = words; }, 100);
  };

  // The thread: it stays at its end when it was there, and otherwise where it is, whatever comes above or below.
  const scroller = () => find("[data-stick-to-end]");
  const topOf = (element) => element.getBoundingClientRect().top;
  const toEnd = (behavior = "instant") => {
    const box = scroller();
    if (box) box.scrollTo({ top: box.scrollHeight, behavior });
  };
  let wasAtEnd = false;
  const noteEnd = (box) => {
    wasAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 80;
    const newer = find("[data-to-end]");
    if (wasAtEnd && newer) newer.hidden = true;
  };
  const firstShown = (box) => {
    const shown = [...box.querySelectorAll("[id^='message-']")].find((item) => {
      return item.getBoundingClientRect().bottom > topOf(box);
    });
    return shown ? { id: shown.id, top: topOf(shown) } : null;
  };

  let place = null;
  document.addEventListener("htmx:beforeSwap", (event) => {
    const box = scroller();
    const { target, requestConfig, shouldSwap } = event.detail;
    // Without news nothing is drawn, and what was noted for it must not move the thread at the next swap elsewhere.
    place = null;
    if (!shouldSwap || !box || !box.contains(target)) return;
    place = {
      isAtEnd: wasAtEnd,
      // What somebody writes appears at the end.
      isWritten: requestConfig.elt.matches("[data-composer]"),
      hadFocus: target.classList.contains("earlier") && target.contains(document.activeElement),
      shown: firstShown(box),
    };
  });
  const keepPlace = () => {
    const box = scroller();
    if (!box || !place) return;
    const shown = place.shown && document.getElementById(place.shown.id);
    if (place.isAtEnd || place.isWritten) toEnd();
    else if (shown) box.scrollTop += topOf(shown) - place.shown.top;
    if (place.hadFocus) box.focus({ preventScroll: true });
    place = null;
    noteEnd(box);
  };

  // News of the thread: what came and what failed is said, and whoever reads further up is told that there is more.
  const idsOf = (selector) => new Set(findAll(`#messages ${selector}`).map((bubble) => bubble.id));
  const known = { came: new Set(), failed: new Set() };
  const learn = () => {
    known.came = idsOf(".bubble--inbound");
    known.failed = idsOf(".bubble--failed");
  };
  const wordsOf = (bubble) => {
    const copy = bubble.cloneNode(true);
    const picture = copy.querySelector("img[alt]");
    const besides = ".visually-hidden, .bubble__foot, .reactions, .bubble-actions, details, form, button";
    for (const part of copy.querySelectorAll(besides)) part.remove();
    return (copy.textContent.replace(/\s+/g, " ").trim() || (picture ? picture.alt : "")).slice(0, 200);
  };
  const newOf = (selector, before) => {
    return findAll(`#messages ${selector}`).filter((bubble) => !before.has(bubble.id));
  };
  // Of many the newest are read out: after an hour offline nobody listens to all of them.
  const MOST_READ_OUT = 3;
  const readOut = (words, bubbles) => {
    const left = bubbles.length > MOST_READ_OUT ? `(${bubbles.length}) … ` : "";
    return `${words} ${left}${bubbles.slice(-MOST_READ_OUT).map(wordsOf).join(" · ")}`;
  };
  const tellNews = () => {
    const frame = find("#composer");
    const came = newOf(".bubble--inbound", known.came);
    const failed = newOf(".bubble--failed", known.failed);
    const told = [];
    if (came.length) told.push(readOut(frame.dataset.heard, came));
    if (failed.length) told.push(readOut(frame.dataset.failed, failed));
    if (told.length) say(told.join(" "));
    if (came.length && !wasAtEnd) find("[data-to-end]").hidden = false;
    if (came.length && document.hidden) chime();
    learn();
  };
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-to-end]")) return;
    toEnd(isCalm.matches ? "instant" : "smooth");
    scroller().focus({ preventScroll: true });
  });

  // The list: how much is unread stands in the title and at the top of the page, and may be heard.
  let unread = null;
  let title = "";
  const showUnread = () => {
    const list = find("[data-unread]");
    if (!list) return;
    const before = unread;
    unread = Number(list.dataset.unread);
    // The page brought the number along, if there was one; a name may begin with an area code in brackets.
    if (before === null) title = unread ? document.title.replace(/^\(\d+\) /, "") : document.title;
    if (before !== null && unread > before) chime();
    document.title = (unread ? `(${unread}) ` : "") + title;
    const badge = find("[data-unread-badge]");
    if (!badge) return;
    badge.hidden = unread === 0;
    badge.querySelector("[data-unread-number]").textContent = String(unread);
  };

  const SOUND = "portal:sound";
  const hasSound = () => memory.read(SOUND) === true;
  let audio = null;
  // Browsers let a page be heard once somebody did something in it.
  const wake = () => {
    if (!hasSound()) return;
    audio = audio || new AudioContext();
    if (audio.state === "suspended") audio.resume();
  };
  document.addEventListener("pointerdown", wake);
  document.addEventListener("keydown", wake);
  const chime = () => {
    if (!audio || !hasSound()) return;
    for (const [pitch, after] of [[660, 0], [880, 0.12]]) {
      const tone = audio.createOscillator();
      const volume = audio.createGain();
      const start = audio.currentTime + after;
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0.0001, start);
      volume.gain.exponentialRampToValueAtTime(0.08, start + 0.02);
      volume.gain.exponentialRampToValueAtTime(0.0001, start + 0.35);
      tone.connect(volume);
      volume.connect(audio.destination);
      tone.start(start);
      tone.stop(start + 0.4);
    }
  };
  const showSound = () => {
    const toggle = find("[data-sound]");
    toggle.hidden = false;
    toggle.setAttribute("aria-pressed", String(hasSound()));
  };
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-sound]")) return;
    memory.write(SOUND, !hasSound());
    showSound();
    wake();
    chime();
  });

  // Drafts: what was begun in a conversation waits there for whoever wrote it, in their browser only.
  const DRAFT = "portal:draft:";
  const DRAFT_LIFE_MS = 30 * 24 * 60 * 60 * 1000;
  const draftKey = (conversation) => `${DRAFT}${find("[data-person]").dataset.person}:${conversation}`;
  const composer = () => find("[data-composer]");
  const forgetOldDrafts = () => {
    for (const key of memory.keys().filter((one) => one.startsWith(DRAFT))) {
      const draft = memory.read(key);
      if (!draft || !(Date.now() - draft.at < DRAFT_LIFE_MS)) memory.drop(key);
    }
  };
  const saveDraft = () => {
    const form = composer();
    const key = draftKey(form.dataset.conversation);
    const { text, template, template_file: file } = form.elements;
    if (!text.value) { memory.drop(key); return; }
    const fileName = file.checked ? find("[data-template-file-name]").textContent : "";
    const begun = { template: template.value, file: file.checked ? file.value : "", fileName };
    memory.write(key, { text: text.value, at: Date.now(), ...begun });
  };
  const restoreDraft = () => {
    const form = composer();
    const draft = form && memory.read(draftKey(form.dataset.conversation));
    const text = form && form.elements.text;
    // What the server wrote, or the browser kept, stands.
    if (!draft || text.value || text.disabled) return;
    text.value = draft.text;
    form.elements.template.value = draft.template;
    carry(draft.file, draft.fileName);
  };
  const markDrafts = () => {
    const words = find("[data-person]").dataset.draft;
    for (const chat of findAll("a[id^='chat-']:not([aria-current])")) {
      const last = chat.querySelector(".chat__last");
      if (!last || last.querySelector(".chat__draft") || !memory.read(draftKey(chat.id.slice(5)))) continue;
      const mark = document.createElement("span");
      mark.className = "chat__draft";
      mark.textContent = `${words} `;
      last.prepend(mark);
    }
  };

  // Files: the chosen one is named in a line of its own, and so is that of a template.
  const showFile = (input) => {
    const note = input.form.querySelector("[data-file-note]");
    const file = input.files[0];
    const isBad = Boolean(file) && !input.validity.valid;
    note.hidden = !file;
    note.classList.toggle("composer__file--bad", isBad);
    const name = file ? file.name : "";
    note.querySelector("[data-file-name]").textContent = isBad ? `${name}: ${input.dataset.tooLarge}` : name;
  };
  const dropFile = (form) => {
    const input = form.elements.file;
    input.value = "";
    input.setCustomValidity("");
    showFile(input);
  };
  const carry = (file, name) => {
    const box = composer().elements.template_file;
    box.value = file || "";
    box.checked = Boolean(file);
    find("[data-template-file-name]").textContent = name || "";
    find("[data-template-note]").hidden = !file;
  };
  const clearError = () => {
    const error = find("#composer-error");
    if (error) error.remove();
  };
  document.addEventListener("change", (event) => {
    if (event.target.id !== "composer-file") return;
    clearError();
    showFile(event.target);
    // One message carries one file.
    if (event.target.files[0]) carry("");
    if (event.target.files[0] && event.target.validity.valid) find("#composer-text").focus();
  });
  document.addEventListener("click", (event) => {
    const form = event.target.closest("[data-composer]");
    if (form && event.target.closest("[data-file-remove]")) {
      dropFile(form);
      form.elements.file.focus();
    } else if (form && event.target.closest("[data-template-file-remove]")) {
      carry("");
      saveDraft();
      form.elements.text.focus();
    }
  });

  // Sending: what was sent leaves the box, what was typed meanwhile stays.
  let sent = "";
  // What got no answer may have arrived: pressed again it goes under the same id, and is taken for the same message.
  let doubted = "";
  const isComposer = (event) => event.detail.elt.matches("[data-composer]");
  document.addEventListener("htmx:configRequest", (event) => {
    if (doubted && isComposer(event)) event.detail.formData.set("form_id", doubted);
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (!isComposer(event)) return;
    const form = event.detail.elt;
    sent = form.elements.text.value;
    // A page that is closed now must not offer to send the same again.
    memory.drop(draftKey(form.dataset.conversation));
    // What is typed while a file goes up would be cleared along with what was sent.
    form.elements.text.readOnly = Boolean(form.elements.file.files[0]);
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (!isComposer(event)) return;
    const { elt: form, xhr, requestConfig, successful } = event.detail;
    const text = form.elements.text;
    text.readOnly = false;
    doubted = xhr.status === 0 || xhr.status >= 500 ? requestConfig.formData.get("form_id") : "";
    if (successful && xhr.status < 400) {
      clearError();
      if (text.value.startsWith(sent)) text.value = text.value.slice(sent.length);
      text.removeAttribute("aria-invalid");
      form.elements.template.value = "";
      carry("");
      dropFile(form);
      forgetBeginning();
      text.focus();
    }
    if (form.isConnected) saveDraft();
  });
  // Loaded again, the page must not begin with the same template.
  const forgetBeginning = () => {
    const address = new URL(window.location.href);
    if (!address.searchParams.has("template")) return;
    address.searchParams.delete("template");
    window.history.replaceState(window.history.state, "", address);
  };

  // Quick replies: "/" opens the list, what follows filters it. It is a list box whose active option the text names:
  // a text of several lines may do that, but may not be a combo box (ARIA in HTML).
  const COMMAND = /^\/[^\n]{0,60}$/;
  const quick = { timer: 0, asking: null, active: -1, isPending: false, isDismissed: false, choosesFirst: false };
  const options = () => findAll("#quick-replies [role='option']");
  const isOpen = () => { const box = find("#quick-replies"); return Boolean(box) && !box.hidden; };
  // Only the last words count: a list for what stood there before may not be chosen from.
  const stopAsking = () => {
    window.clearTimeout(quick.timer);
    if (quick.asking) quick.asking.abort();
    quick.asking = null;
  };
  const close = () => {
    stopAsking();
    Object.assign(quick, { active: -1, isPending: false, choosesFirst: false });
    const box = find("#quick-replies");
    const text = find("#composer-text");
    if (box) box.hidden = true;
    if (!text) return;
    for (const name of ["aria-autocomplete", "aria-haspopup", "aria-controls", "aria-activedescendant"]) {
      text.removeAttribute(name);
    }
  };
  const activate = (index) => {
    const all = options();
    quick.active = all.length ? (index + all.length) % all.length : -1;
    all.forEach((option, at) => option.setAttribute("aria-selected", String(at === quick.active)));
    const text = find("#composer-text");
    if (quick.active < 0) { text.removeAttribute("aria-activedescendant"); return; }
    text.setAttribute("aria-activedescendant", all[quick.active].id);
    all[quick.active].scrollIntoView({ block: "nearest" });
  };
  const open = () => {
    const text = find("#composer-text");
    const hasOptions = options().length > 0;
    find("#quick-replies").hidden = false;
    if (hasOptions) text.setAttribute("aria-controls", "quick-list");
    else text.removeAttribute("aria-controls");
    for (const [name, value] of [["aria-autocomplete", "list"], ["aria-haspopup", "listbox"]]) {
      text.setAttribute(name, value);
    }
    activate(0);
    if (!hasOptions) say(find("#quick-replies").textContent.trim());
  };
  const ask = async (words) => {
    const asking = new AbortController();
    quick.asking = asking;
    const text = find("#composer-text");
    const address = `${text.dataset.quick}?q=${encodeURIComponent(words)}`;
    try {
      const answer = await fetch(address, { headers: { "HX-Request": "true" }, signal: asking.signal });
      // Signed out meanwhile: what came is no list.
      if (!answer.ok || answer.redirected) throw new Error("no list");
      const list = await answer.text();
      if (quick.asking !== asking) return;
      find("#quick-replies").outerHTML = list;
    } catch {
      if (quick.asking === asking) close();
      return;
    }
    quick.isPending = false;
    open();
    if (quick.choosesFirst && options().length) choose(options()[0]);
    quick.choosesFirst = false;
  };
  const askSoon = (words, delay) => {
    stopAsking();
    quick.isPending = true;
    quick.timer = window.setTimeout(() => ask(words), delay);
  };
  const choose = (option) => {
    const form = composer();
    const text = form.elements.text;
    const filling = option.dataset.text;
    const [from, to] = COMMAND.test(text.value) ? [0, text.value.length] : [text.selectionStart, text.selectionEnd];
    text.setRangeText(filling, from, to, "end");
    form.elements.template.value = option.dataset.template;
    if (!form.elements.file.files[0]) carry(option.dataset.file, option.dataset.fileName);
    close();
    text.focus();
    // The first place for which there is no value is what is written next.
    const gap = /\(\([^()]*\)\)/.exec(filling);
    if (gap) text.setSelectionRange(from + gap.index, from + gap.index + gap[0].length);
    saveDraft();
  };
  const followCommand = (text) => {
    const isCommand = Boolean(text.dataset.quick) && COMMAND.test(text.value) && Boolean(find("[data-quick-open]"));
    if (!isCommand) {
      quick.isDismissed = false;
      if (isOpen() || quick.isPending) close();
    } else if (!quick.isDismissed) {
      askSoon(text.value.slice(1), text.value === "/" ? 0 : 150);
    }
  };
  document.addEventListener("click", (event) => {
    const option = event.target.closest("#quick-replies [role='option']");
    const button = event.target.closest("[data-quick-open]");
    if (option) {
      choose(option);
    } else if (button) {
      const text = find("#composer-text");
      text.focus();
      if (isOpen()) { close(); return; }
      if (!text.value) text.value = "/";
      quick.isDismissed = false;
      askSoon(COMMAND.test(text.value) ? text.value.slice(1) : "", 0);
    } else if (isOpen() && !event.target.closest("#quick-replies")) {
      close();
    }
  });
  // Whoever presses on an option goes on writing afterwards.
  document.addEventListener("pointerdown", (event) => {
    if (event.target.closest("#quick-replies")) event.preventDefault();
  });
  document.addEventListener("input", (event) => {
    if (event.target.id !== "composer-text") return;
    followCommand(event.target);
    saveDraft();
  });

  // Keys. While a word is being composed (accents, Asian scripts) Enter only ends the word.
  const send = (text) => {
    if (quick.isPending) quick.choosesFirst = true;
    else text.form.requestSubmit();
  };
  const leave = (text) => {
    const quote = find("[data-quote-cancel]");
    if (isOpen() || quick.isPending) {
      quick.isDismissed = true;
      close();
    } else if (quote) {
      quote.click();
    } else {
      text.blur();
    }
  };
  const inList = {
    ArrowDown: () => activate(quick.active + 1),
    ArrowUp: () => activate(quick.active - 1),
    Enter: () => choose(options()[quick.active]),
    Tab: () => choose(options()[quick.active]),
  };
  const inText = { Enter: send, Escape: leave };
  const writeKey = (event) => {
    if (event.shiftKey || event.altKey || event.ctrlKey || event.metaKey) return false;
    const act = (isOpen() && !quick.isPending && quick.active >= 0 && inList[event.key]) || inText[event.key];
    if (!act) return false;
    act(event.target);
    return true;
  };

  const SINGLE_KEYS = "portal:single-keys";
  const hasSingleKeys = () => memory.read(SINGLE_KEYS) !== false;
  const showSingleKeys = () => {
    const toggle = find("[data-single-keys]");
    if (toggle) toggle.setAttribute("aria-pressed", String(hasSingleKeys()));
  };
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-single-keys]")) return;
    memory.write(SINGLE_KEYS, !hasSingleKeys());
    showSingleKeys();
  });
  const goToSearch = () => {
    const search = find("[data-inbox-search]");
    if (!search || search.offsetParent === null) return false;
    search.focus();
    search.select();
    return true;
  };
  const showKeys = () => {
    const keys = find("#composer-keys");
    if (!keys) return false;
    keys.open = true;
    keys.querySelector("summary").focus();
    return true;
  };
  const goToNeighbour = (step) => {
    const chats = findAll("a[id^='chat-']");
    const here = chats.findIndex((chat) => chat.hasAttribute("aria-current"));
    const next = chats[here < 0 && step < 0 ? chats.length : here + step];
    if (!next) return false;
    next.click();
    return true;
  };
  const pageKey = (event) => {
    // With AltGr, by which many Brazilian keyboards write both signs, Windows says that Ctrl and Alt are held.
    const isHeld = (event.ctrlKey || event.metaKey || event.altKey) && !event.getModifierState("AltGraph");
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") return goToSearch();
    if (event.altKey && !event.ctrlKey && !event.metaKey && event.key === "ArrowUp") return goToNeighbour(-1);
    if (event.altKey && !event.ctrlKey && !event.metaKey && event.key === "ArrowDown") return goToNeighbour(1);
    if (isHeld || !hasSingleKeys() || event.target.closest("input, textarea, select, [contenteditable]")) return false;
    if (event.key === "/") return goToSearch();
    return event.key === "?" && showKeys();
  };
  document.addEventListener("keydown", (event) => {
    // Safari says of the Enter that ends a word only by its code that it belongs to it.
    if (event.isComposing || event.keyCode === 229) return;
    const isWriting = event.target.id === "composer-text";
    if ((isWriting && writeKey(event)) || pageKey(event)) event.preventDefault();
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    const id = event.detail.target.id;
    keepPlace();
    showUnread();
    markDrafts();
    if (find("#composer-error")) find("#composer-text").focus();
    if (id !== "composer" || !composer()) return;
    // Drawn anew, the composer has kept its file but not what stands around it.
    close();
    showSingleKeys();
    showFile(composer().elements.file);
    restoreDraft();
    saveDraft();
  });

  // Not before: until then htmx gives a part the classes of the one that it replaces.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target.id === "messages") tellNews();
  });

  const begin = () => {
    const box = scroller();
    forgetOldDrafts();
    if (box) {
      // An address may name a message in it.
      if (!window.location.hash) toEnd();
      noteEnd(box);
      box.addEventListener("scroll", () => noteEnd(box), { passive: true });
      // A box that grows below takes its room from the thread.
      new ResizeObserver(() => { if (wasAtEnd) toEnd(); }).observe(box);
    }
    learn();
    showUnread();
    showSound();
    showSingleKeys();
    markDrafts();
    if (!composer()) return;
    restoreDraft();
    // Some browsers keep a chosen file when a page is loaded again.
    showFile(composer().elements.file);
  };
  begin();
})();

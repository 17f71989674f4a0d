// The console's own script: it keeps pages fresh, and adds the keyboard. Every page also works without it.
"use strict";

(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const body = document.body;
  const base = body.dataset.base || "";
  document.documentElement.classList.add("has-script");

  // ---- htmx: only its morphing is used, and it may make no function from a text -------------------------------------
  let morph = null;
  const refuse = () => { throw new Error("the console evaluates no text"); };
  htmx.registerExtension("console", {
    init: (api) => {
      morph = api.morph;
      api.initSecurity(null, refuse, refuse);
    },
  });

  // ---- Times --------------------------------------------------------------------------------------------------------
  const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const full = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
  const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });

  const ago = (at, now) => {
    const seconds = Math.round((now - at) / 1000);
    const size = Math.abs(seconds);
    if (size < 1) return "now";
    const [name, length] = UNITS.find(([, length]) => size >= length);
    const text = `${Math.floor(size / length)} ${name}`;
    return seconds > 0 ? `${text} ago` : `in ${text}`;
  };
  const duration = (seconds) => {
    if (seconds < 60) return `${Math.max(0, seconds).toFixed(1)} s`;
    const minutes = Math.floor(seconds / 60);
    if (minutes < 60) return `${minutes} min ${String(Math.floor(seconds % 60)).padStart(2, "0")} s`;
    const hours = Math.floor(minutes / 60);
    return hours < 24 ? `${hours} h ${String(minutes % 60).padStart(2, "0")} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
  };
  const write = (element, text) => { if (element.textContent !== text) element.textContent = text; };
  const tellTimes = (root = document) => {
    const now = Date.now();
    for (const element of $$("time[data-ago]", root)) {
      const at = new Date(element.dateTime);
      write(element, ago(at, now));
      if (!element.title) element.title = `${full.format(at)} (${element.dateTime})`;
    }
    for (const element of $$("time[data-clock]", root)) {
      const at = new Date(element.dateTime);
      write(element, clock.format(at));
      if (!element.title) element.title = full.format(at);
    }
    for (const element of $$("[data-since]", root)) write(element, duration((now - new Date(element.dataset.since)) / 1000));
  };
  setInterval(() => { if (!document.hidden) tellTimes(); }, 1000);

  // ---- Refresh: the page asks for itself, and what has changed is morphed in ----------------------------------------
  let paused = false;
  let streaming = false;
  let away = false;
  let asking = null;
  let wanted = false;
  let etag = null;
  let timer = 0;
  let isSoon = false;
  let lastAsked = Date.now();
  // The least time between two refreshes. The server makes it longer while many people look at its pages.
  let gap = 400;

  const regions = () => $$("[data-live]");
  const interval = () => {
    const asked = regions().map((region) => Number(region.dataset.live)).filter((seconds) => seconds > 0);
    return asked.length ? Math.min(...asked) * 1000 : 0;
  };
  const show = () => {
    for (const button of $$("[data-live-switch]")) {
      const state = paused ? "paused" : away ? "away" : streaming ? "live" : "polling";
      button.dataset.state = state;
      button.setAttribute("aria-pressed", String(paused));
      write($("[data-live-text]", button), { paused: "Paused", away: "Offline", live: "Live", polling: "Polling" }[state]);
    }
  };
  const stop = () => { clearTimeout(timer); isSoon = false; };
  const plan = () => {
    stop();
    const every = interval();
    if (!every || paused || document.hidden) return;
    // While the stream says what changes, asking is only a safety net for new tasks, which no event announces.
    timer = setTimeout(refresh, Math.max(every, gap, away ? 5000 : 0));
  };
  const soon = () => {
    if (paused || document.hidden) { wanted = true; return; }
    // A refresh that is near stays where it is: events that never stop must not put it off for ever.
    if (isSoon) return;
    stop();
    isSoon = true;
    // Pages that hear of the same event do not all ask in the same moment.
    timer = setTimeout(refresh, Math.max(80, gap - (Date.now() - lastAsked)) + Math.random() * (gap - 400) / 4);
  };
  async function refresh() {
    isSoon = false;
    if (asking) { wanted = true; return; }
    wanted = false;
    lastAsked = Date.now();
    asking = new AbortController();
    try {
      const headers = { "X-Console-Live": "1", ...(etag ? { "If-None-Match": etag } : {}) };
      const answer = await fetch(location.href, { headers, signal: asking.signal, credentials: "same-origin", cache: "no-store" });
      if (answer.status === 401 || answer.status === 403) { location.reload(); return; }
      gap = 1000 * Number(answer.headers.get("X-Console-Gap")) || gap;
      if (answer.ok) {
        etag = answer.headers.get("ETag");
        swap(await answer.text());
      }
      away = answer.status >= 500;
    } catch (error) {
      if (error.name !== "AbortError") away = true;
    } finally {
      asking = null;
      show();
      if (wanted) soon(); else plan();
    }
  }
  const swap = (text) => {
    // A menu, a choice or a text that is being made must not change under the person.
    if ($("dialog[open]")) { wanted = true; return; }
    const found = new DOMParser().parseFromString(text, "text/html");
    for (const region of regions()) {
      const fresh = found.getElementById(region.id);
      if (!fresh || region.contains(document.activeElement) && document.activeElement.matches("select")) continue;
      const log = $("#log", region);
      const follows = log && log.scrollHeight - log.scrollTop - log.clientHeight < 40;
      tellTimes(fresh);
      keepState(region, fresh);
      const fragment = document.createDocumentFragment();
      fragment.append(fresh);
      morph(region, fragment, false);
      if (follows) { const now = $("#log"); if (now) now.scrollTop = now.scrollHeight; }
    }
    const title = $("title", found);
    if (title && document.title !== title.textContent) document.title = title.textContent;
    showChosen();
    mark(at, false);
    follow();
  };
  // What a person has done to the page is carried over: chosen rows, open folds, the row of the keyboard.
  const keepState = (old, fresh) => {
    for (const box of $$("input[type=checkbox][value]", old)) {
      const same = fresh.querySelector(`input[type=checkbox][value="${CSS.escape(box.value)}"]`);
      if (same && box.checked) same.setAttribute("checked", "");
    }
    const folds = $$("details", old);
    $$("details", fresh).forEach((fold, index) => { if (folds[index]) fold.open = folds[index].open; });
    const scope = $("select[name=scope]", old);
    if (scope) for (const option of $$("select[name=scope] option", fresh)) option.toggleAttribute("selected", option.value === scope.value);
  };
  const switchPause = () => {
    paused = !paused;
    show();
    if (paused) { stop(); say("The refresh is paused."); } else { say("The refresh goes on."); soon(); }
    connect();
  };

  // ---- One stream of events for the browser: a tab that has the lock holds it, and tells the others -----------------
  // HTTP/1.1 gives a browser six connections to one host, so the seventh tab with a stream of its own would hang.
  const session = body.dataset.session || "";
  const channel = session && "BroadcastChannel" in window ? new BroadcastChannel(`console-${session}`) : null;
  const me = Math.random().toString(36).slice(2);
  const tabs = new Map();
  let leads = false;
  let source = null;
  let followed = "";
  let failures = 0;

  const mine = () => {
    if (paused || document.hidden || !interval() && !$("[data-follow]")) return null;
    return $$("[data-follow]").flatMap((region) => region.dataset.follow.split(",")).filter(Boolean);
  };
  const tell = (message) => { if (channel) channel.postMessage({ from: me, ...message }); };
  const follow = () => {
    const tasks = mine();
    if (leads) { tabs.set(me, { tasks, at: Date.now() }); connect(); } else tell({ kind: "follow", tasks });
  };
  const heard = (event) => {
    const mineNow = mine();
    if (mineNow === null) return;
    if (event.type === "task.changed" && !mineNow.includes(event.data.task_id)) return;
    soon();
  };
  const setStreaming = (now) => { if (streaming !== now) { streaming = now; show(); } };
  function connect() {
    if (!leads) return;
    tabs.set(me, { tasks: mine(), at: Date.now() });
    const live = [...tabs.values()].filter((tab) => tab.tasks !== null && Date.now() - tab.at < 60000);
    if (!live.length) { disconnect(); return; }
    const tasks = [...new Set(live.flatMap((tab) => tab.tasks))].sort().slice(0, 50).join(",");
    if (source && source.readyState !== 2 && tasks === followed) return;
    disconnect();
    followed = tasks;
    source = new EventSource(`${base}/live?tasks=${tasks}`);
    source.onopen = () => { failures = 0; setStreaming(true); tell({ kind: "state", streaming: true }); };
    source.onmessage = (message) => {
      if (!message.data) return;
      const event = JSON.parse(message.data);
      tell({ kind: "event", event });
      heard(event);
    };
    source.onerror = () => {
      setStreaming(false);
      tell({ kind: "state", streaming: false });
      // The session may have ended: the page finds out when it asks for itself.
      soon();
      tell({ kind: "look" });
      if (source && source.readyState === 2) {
        disconnect();
        failures += 1;
        setTimeout(connect, Math.min(60000, 2000 * 2 ** failures));
      }
    };
  }
  const disconnect = () => { if (source) source.close(); source = null; };
  if (channel) {
    channel.onmessage = ({ data }) => {
      if (data.kind === "follow" && leads) { tabs.set(data.from, { tasks: data.tasks, at: Date.now() }); connect(); tell({ kind: "state", streaming }); }
      if (data.kind === "gone" && leads) { tabs.delete(data.from); connect(); }
      if (data.kind === "hello") follow();
      if (data.kind === "state" && !leads) setStreaming(data.streaming);
      if (data.kind === "look") soon();
      if (data.kind === "event") heard(data.event);
    };
    window.addEventListener("pagehide", () => { tell({ kind: "gone" }); disconnect(); });
    if (navigator.locks) {
      navigator.locks.request(`console-${session}`, () => {
        leads = true;
        tell({ kind: "hello" });
        connect();
        return new Promise(() => {});
      });
    }
    setInterval(follow, 20000);
  }
  document.addEventListener("visibilitychange", () => {
    follow();
    if (document.hidden) stop(); else { tellTimes(); soon(); }
  });
  window.addEventListener("online", soon);

  // ---- Rows: choose, move, open -------------------------------------------------------------------------------------
  let at = null;
  const rows = () => $$("tr[data-row]");
  const mark = (id, scroll = true) => {
    for (const row of rows()) row.classList.toggle("at", Boolean(id) && row.id === id);
    if (id && scroll) document.getElementById(id)?.scrollIntoView({ block: "nearest" });
  };
  const move = (by) => {
    const all = rows();
    if (!all.length) return;
    const place = all.findIndex((row) => row.id === at);
    const next = all[Math.min(all.length - 1, Math.max(0, place < 0 ? 0 : place + by))];
    at = next.id;
    mark(at);
    $("a", next)?.focus({ preventScroll: true });
  };
  const boxes = () => $$("td.choose input");
  const showChosen = () => {
    const all = boxes();
    const chosen = all.filter((box) => box.checked).length;
    const label = $("[data-chosen]");
    if (label) write(label, chosen ? `${chosen} chosen` : "Choose");
    const head = $("[data-choose-all]");
    if (head) { head.checked = chosen > 0 && chosen === all.length; head.indeterminate = chosen > 0 && chosen < all.length; }
  };
  document.addEventListener("change", (event) => {
    const box = event.target;
    if (box.matches("[data-choose-all]")) { for (const each of boxes()) each.checked = box.checked; }
    if (box.matches("input[type=checkbox]")) showChosen();
    if (box.matches("[data-submit-on-change]")) box.form.requestSubmit();
    if (box.closest("[data-filter]") && box.matches("select")) box.form.requestSubmit();
    if (box.matches("[data-shows]")) showParts();
  });
  const showParts = () => {
    const chosen = $("[data-shows]:checked");
    if (chosen) for (const part of $$(".shown-by")) part.classList.toggle("off", part.id !== chosen.dataset.shows);
  };
  document.addEventListener("submit", (event) => {
    // Empty fields of a filter stay out of the URL, so that a link says what it shows and no more.
    if (event.target.matches("[data-filter]")) for (const field of event.target.elements) if (field.name && !field.value) field.disabled = true;
    if (event.target.dataset.confirm && !event.target.dataset.sure) { event.preventDefault(); confirm(event.target); }
    // The dialog's close event would come later: by then a quick person may have opened the dialog for the next question.
    if (event.target.closest("#confirm") && event.submitter?.value === "yes") { asked.dataset.sure = "yes"; asked.requestSubmit(); }
  });
  let asked = null;
  const confirm = (form) => {
    asked = form;
    write($("#confirm-text"), form.dataset.confirm);
    write($("#confirm-yes"), form.dataset.confirmYes || "Yes");
    $("#confirm").showModal();
  };

  // ---- Clicks -------------------------------------------------------------------------------------------------------
  document.addEventListener("click", (event) => {
    const target = event.target;
    const copy = target.closest("[data-copy]");
    if (copy) {
      const text = $(copy.dataset.copy)?.textContent ?? "";
      navigator.clipboard.writeText(text).then(() => say("Copied."), () => say("The browser does not allow copying."));
      return;
    }
    if (target.closest("[data-help]")) { $("#help").showModal(); return; }
    if (target.closest("[data-live-switch]")) { switchPause(); return; }
    if (target.closest("[data-theme-next]")) { nextTheme(); return; }
    const menu = target.closest("[data-menu]");
    if (menu) {
      const open = $("#navigation").classList.toggle("open");
      menu.setAttribute("aria-expanded", String(open));
      return;
    }
    const row = target.closest("tr[data-href]");
    if (row && !target.closest("a, button, input, select, label, summary") && !String(getSelection())) location.assign(row.dataset.href);
  });
  const THEMES = ["system", "light", "dark"];
  const nextTheme = () => {
    const root = document.documentElement;
    const next = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length];
    root.dataset.theme = next;
    document.cookie = `${body.dataset.themeCookie}=${next}; path=${base || "/"}; max-age=31536000; samesite=lax`;
    say(`Colours: ${next}`);
  };
  let quiet = 0;
  const say = (text) => {
    const place = $("#said");
    if (!place) return;
    write(place, text);
    clearTimeout(quiet);
    quiet = setTimeout(() => write(place, ""), 2500);
  };

  // ---- Keyboard -----------------------------------------------------------------------------------------------------
  let prefix = 0;
  const act = (name) => {
    const single = $(`form[data-key=${name === "retry" ? "r" : "c"}]`);
    if (single) { single.requestSubmit(); return; }
    const form = $("#bulk");
    if (!form) return;
    if (!boxes().some((box) => box.checked) && at) {
      const box = $("td.choose input", document.getElementById(at));
      if (box) { box.checked = true; showChosen(); }
    }
    if (boxes().some((box) => box.checked)) form.requestSubmit($(`button[value=${name}]`, form));
    else say("Choose rows with x first.");
  };
  const KEYS = {
    "/": () => { const field = $("[data-search]"); if (field) { field.focus(); field.select(); } else location.assign(`${base}${body.dataset.searchPage}#search`); },
    "?": () => $("#help")?.showModal(),
    ".": () => { if ($("[data-live-switch]")) switchPause(); },
    j: () => move(1),
    k: () => move(-1),
    x: () => { const box = at && $("td.choose input", document.getElementById(at)); if (box) { box.checked = !box.checked; showChosen(); } },
    r: () => act("retry"),
    c: () => act("cancel"),
    n: () => $("[data-next]")?.click(),
    g: () => { prefix = Date.now(); },
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || $("dialog[open]")) return;
    if (event.target.matches("input:not([type=checkbox]), select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (Date.now() - prefix < 1500) {
      prefix = 0;
      const link = document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    const run = KEYS[event.key];
    if (run) { event.preventDefault(); run(); }
  });

  tellTimes();
  showChosen();
  showParts();
  if (location.hash === "#search") { KEYS["/"](); history.replaceState(null, "", location.pathname + location.search); }
  const log = $("#log");
  if (log && regions().some((region) => Number(region.dataset.live) > 0)) log.scrollTop = log.scrollHeight;
  show();
  plan();
  follow();
})();

"use strict";
(() => {
  const form = document.getElementById("filter");
  const words = form.elements.namedItem("words");
  const fields = [...form.querySelectorAll("select")];
  const shown = document.getElementById("shown");
  const entries = [...document.querySelectorAll("[data-rule]")];
  const groups = [...document.querySelectorAll(".group")];
  const texts = new Map(entries.map((entry) => [entry, `${entry.dataset.rule} ${entry.textContent}`.toLowerCase()]));
  const counted = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

  const apply = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = fields.filter((field) => field.value);
    let findings = 0;
    let rules = 0;
    for (const entry of entries) {
      const fits = wanted.every((word) => texts.get(entry).includes(word))
        && chosen.every((field) => entry.dataset[field.name].split("\n").includes(field.value));
      entry.hidden = !fits;
      if (fits && entry.matches("article")) rules += 1;
      if (fits && !entry.matches("article")) findings += 1;
    }
    const any = wanted.length || chosen.length;
    for (const group of groups) {
      group.hidden = Boolean(any) && !group.querySelector("[data-rule]:not([hidden])");
      if (any) for (const more of group.querySelectorAll(".more")) more.open = true;
    }
    shown.textContent = any ? `${counted(findings, "finding")} and ${counted(rules, "rule")} shown.` : "";
  };

  // A link may name what it filters by: index.html?words=svc-03&outcome=failed#findings
  const query = new URLSearchParams(location.search);
  for (const field of [words, ...fields]) {
    if (query.has(field.name)) field.value = query.get(field.name);
  }
  // A link to something that is filtered out shows it.
  const aimed = () => {
    try {
      return document.getElementById(decodeURIComponent(location.hash.slice(1)));
    } catch {
      return null; // a % that encodes nothing
    }
  };
  const reveal = () => {
    const aim = aimed();
    if (aim?.closest("[hidden]")) form.reset();
    apply();
    for (let fold = aim?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    aim?.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  form.addEventListener("input", apply);
  form.addEventListener("reset", () => setTimeout(apply));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  apply();
  reveal();
})();

"use strict";
(() => {
  const form = document.getElementById("filter");
  const words = form.elements.namedItem("words");
  const outcome = form.elements.namedItem("outcome");
  const entity = form.elements.namedItem("entity");
  const shown = document.getElementById("shown");
  const entries = [...document.querySelectorAll("[data-entity]")];
  const texts = new Map(entries.map((entry) => [entry, entry.textContent.toLowerCase()]));

  const apply = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let findings = 0;
    let rules = 0;
    for (const entry of entries) {
      const fits = wanted.every((word) => texts.get(entry).includes(word))
        && (!outcome.value || entry.dataset.outcome.split(" ").includes(outcome.value))
        && (!entity.value || entry.dataset.entity === entity.value);
      entry.hidden = !fits;
      if (fits && entry.matches("article")) rules += 1;
      if (fits && !entry.matches("article")) findings += 1;
    }
    const any = wanted.length || outcome.value || entity.value;
    shown.textContent = any ? `${findings} findings and ${rules} rules are shown.` : "";
  };

  // A link may name what it filters by: index.html?words=svc-03&outcome=failed#findings
  const query = new URLSearchParams(location.search);
  for (const field of [words, outcome, entity]) {
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

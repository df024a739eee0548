"use strict";
(() => {
  // What is pointed at in a figure, or tapped, is said below it: a touch screen shows no tooltip.
  const say = (event) => {
    const title = event.target.closest(".tip")?.querySelector("title");
    const text = event.target.closest("figure")?.querySelector(".tip-text");
    if (!title || !text) return;
    text.textContent = title.textContent;
    text.hidden = false;
  };
  addEventListener("pointerover", say);
  addEventListener("click", say);
})();

// With a real Discord there is nobody to be here: the page says where to talk, and shows the road.

import { h, $, fill } from "./dom.js";
import { store, on } from "./store.js";

export function real() {
  on("hello", () => {
    const there = store.real.discord;
    $("composer").hidden = $("typing").hidden = there;
    $("side").hidden = $("rail").hidden = there;
    $("app").classList.toggle("real-discord", there);
    if (!there) return;
    document.title = "Salamander playground";
    $("room-name").textContent = "Discord";
    $("topic").textContent = store.kind;
    fill($("messages"), h("li", { class: "real" },
      h("h3", null, "Salamander is on the real Discord"),
      h("p", null, "Talk to it in your server. This page shows the road of every question: what waits, who works on it, what each key has left."),
      h("p", null, store.real.model ? "Its answers come from Hugging Face and cost what they cost." : "Its answers are simulated: set HF_API_KEYS and HF_MODEL for a real model."),
      h("p", null, "Nothing here can do harm to a real side: the trouble that is left is switched off.")));
  });
}

import { defineConfig } from "vitest/config";

/** Where `npm run dev` finds an API to show; the built page asks its own origin. */
const API = "http://127.0.0.1:7070";

export default defineConfig({
  build: {
    outDir: "../src/veriscope/web/static",
    emptyOutDir: true,
    target: "es2022",
    // Inlined assets would need `data:` in more of the Content-Security-Policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The bundled libraries ask for their licence to travel with every copy.
    license: { fileName: "licenses.md" },
  },
  server: { proxy: { "/api": API, "/metrics": API } },
  test: { include: ["src/**/*.test.ts"], environment: "node", css: true },
});

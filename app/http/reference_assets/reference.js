// Starts Swagger UI on the document of this server.
"use strict";

(async () => {
  const base = document.body.dataset.base;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const colour = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", colour);
  colour();
  const document_of_api = await (await fetch(`${base}/openapi.json`)).json();
  // Where this page was loaded from, also behind a proxy that adds a prefix.
  document_of_api.servers = [{ url: location.origin + base }];
  SwaggerUIBundle({
    spec: document_of_api,
    dom_id: "#reference",
    deepLinking: true,
    tryItOutEnabled: true,
    // Credentials are gone when the page is left: a browser that several people use must not keep them.
    persistAuthorization: false,
    validatorUrl: null,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
  });
})();

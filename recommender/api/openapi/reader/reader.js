"use strict";

// Swagger UI has dark colours, but leaves it to the page when to show them.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const followScheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followScheme);
followScheme();

window.ui = SwaggerUIBundle({
  dom_id: "#reader",
  url: "openapi.json",
  deepLinking: true,
  displayRequestDuration: true,
  // The bounds of parameters.
  showCommonExtensions: true,
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  // Keys are typed in here: they are not to outlive the page.
  persistAuthorization: false,
  // The addresses of this page and of the service are nobody else's business.
  validatorUrl: null,
});

"use strict";

// Swagger UI has dark colours, but the page must switch to them.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const followScheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followScheme);
followScheme();

window.ui = SwaggerUIBundle({
  dom_id: "#reader",
  url: "openapi.json",
  deepLinking: true,
  displayRequestDuration: true,
  // Show the limits of parameters.
  showCommonExtensions: true,
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  // Do not store keys that are typed in.
  persistAuthorization: false,
  // Do not send the address of the service to an online validator.
  validatorUrl: null,
});

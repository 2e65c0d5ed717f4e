// Starts Swagger UI on the page's own description. A file of its own, because the page allows no inline script.
"use strict";

const place = document.getElementById("description");

window.SwaggerUIBundle({
  domNode: place,
  url: place.dataset.address,
  deepLinking: true,
  displayRequestDuration: true,
  docExpansion: "none",
  filter: true,
  persistAuthorization: false,
  validatorUrl: null,
});

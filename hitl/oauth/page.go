package oauth

import (
	"bytes"
	"html/template"
	"net/http"

	"github.com/hitl-go/sdk/hitl"
)

var pageTemplate = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{{.Title}}</title>
<style>
  body { max-width: 34rem; margin: 18vh auto 0; padding: 0 1.5rem; font: 1rem/1.6 system-ui, sans-serif; }
  h1 { font-size: 1.4rem; }
</style>
<h1>{{.Title}}</h1>
<p>{{.Text}}</p>
</html>
`))

// noInterstitial is a header of answers that keeps Botpress from showing a page of its own instead.
const noInterstitial = "X-Bp-Disable-Interstitial"

// page is an answer that a person reads.
func page(status int, title, text string) hitl.Webhook {
	var body bytes.Buffer
	_ = pageTemplate.Execute(&body, struct{ Title, Text string }{title, text}) // A buffer takes everything.
	return hitl.Webhook{Status: status, Body: body.Bytes(), Header: http.Header{
		"Content-Type":            {"text/html; charset=utf-8"},
		"Content-Security-Policy": {"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
		"Cache-Control":           {"no-store"},
		"Referrer-Policy":         {"no-referrer"},
		"X-Content-Type-Options":  {"nosniff"},
		noInterstitial:            {"true"},
	}}
}

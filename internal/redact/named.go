package redact

import (
	"regexp"
	"strings"
)

// secretKey is what the name of a key ends in that opens something.
const secretKey = `(?:api|access|private|secret)[_-]?key`

// secretName is what the name of a secret ends in.
const secretName = `(?:secret|passw|passwd|password|authorization|signature|` + secretKey + `|cookie|api_?token|access_?token|refresh_?token|x-bp-configuration)`

var (
	secretHeader = regexp.MustCompile(`(?i)secret|passw|authorization|signature$|api[_-]?key|cookie|^x-bp-configuration$|(^|[_-])(access|auth|refresh|api)?[_-]?token$|[_-]key$`)
	publicHeader = regexp.MustCompile(`(?i)idempotency[_-]key$`)

	// headers are those of a webhook, of which Botpress makes JSON.
	headers      = regexp.MustCompile(`"headers"\s*:\s*\{(?:[^"{}]|"(?:[^"\\]|\\.)*")*\}`)
	headerInJSON = regexp.MustCompile(`"([^"\\]+)"\s*:\s*"((?:[^"\\]|\\.)*)"`)

	// field is a text in JSON whose name says that it is secret, nestedField one in JSON that is a text in JSON.
	field       = regexp.MustCompile(`(?i)("[^"\\]*` + secretName + `"\s*:\s*")(?:[^"\\]|\\.)+`)
	nestedField = regexp.MustCompile(`(?i)(\\"[^"\\]*` + secretName + `\\"\s*:\s*\\")(?:[^"\\]|\\\\(?:\\["\\]|[^"\\])|\\[^"\\])+`)

	// parameter is the same in a query or a form. JSON may write & as \u0026.
	parameter = regexp.MustCompile(`(?i)((?:^|[?&"]|\\u0026)(?:[a-z_]*(?:secret|passw|signature|` + secretKey + `|api_?token|access_?token|refresh_?token|code_verifier)[a-z]*|code|state)=)` +
		`(?:[^&#\s"\\]|\\(?:[^u"]|u(?:[^0]|0(?:[^0]|0(?:[^2]|2[^6])))))+`)
)

// IsHeader reports whether a header is secret by its name.
func IsHeader(name string) bool {
	return secretHeader.MatchString(name) && !publicHeader.MatchString(name)
}

// Named puts [secret] in place of what is secret by its name: fields of JSON, also of JSON that is a text in JSON, parameters of queries
// and forms, and the headers of a webhook.
func Named(text string) string {
	text = headers.ReplaceAllStringFunc(text, func(object string) string {
		return headerInJSON.ReplaceAllStringFunc(object, func(one string) string {
			of := headerInJSON.FindStringSubmatch(one)
			if !IsHeader(of[1]) {
				return one
			}
			return strings.TrimSuffix(one, of[2]+`"`) + mask + `"`
		})
	})
	text = field.ReplaceAllString(text, "${1}"+mask)
	text = nestedField.ReplaceAllString(text, "${1}"+mask)
	return parameter.ReplaceAllString(text, "${1}"+mask)
}

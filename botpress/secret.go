package botpress

import "log/slog"

// Secret is a string that keeps itself out of logs and printed structs. Convert
// it to a string where the value is needed. In JSON it is the value: a handler
// of log/slog that writes JSON shows it if it is given a struct with a secret,
// such as an [IntegrationAPIKey]. Log the fields that are needed instead.
type Secret string

const redacted = "[secret]"

// String hides the value.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString hides the value from %#v.
func (s Secret) GoString() string { return s.String() }

// LogValue hides the value from structured logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

package verify

import (
	"crypto/sha1" //nolint:gosec // An HMAC does not depend on collision resistance.
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
)

// Zendesk accepts webhooks of Zendesk, signed with the webhook's signing secret.
// https://developer.zendesk.com/documentation/webhooks/verifying/
func Zendesk(secrets ...string) Func {
	return HMAC{
		Header: "X-Zendesk-Webhook-Signature", Encoding: Base64, TimeHeader: "X-Zendesk-Webhook-Signature-Timestamp",
	}.Func(secrets...)
}

// Slack accepts requests of Slack, signed with the app's signing secret.
// https://docs.slack.dev/authentication/verifying-requests-from-slack
func Slack(secrets ...string) Func {
	return HMAC{
		Header: "X-Slack-Signature", Prefix: "v0=", TimeHeader: "X-Slack-Request-Timestamp",
		Message: func(_ *http.Request, timestamp string, body []byte) string {
			return "v0:" + timestamp + ":" + string(body)
		},
	}.Func(secrets...)
}

// GitHub accepts webhooks of GitHub, signed with the webhook's secret.
// https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
func GitHub(secrets ...string) Func {
	return HMAC{Header: "X-Hub-Signature-256", Prefix: "sha256="}.Func(secrets...)
}

// Meta accepts webhooks of Messenger, Instagram and WhatsApp, signed with the app's secret.
// https://developers.facebook.com/docs/graph-api/webhooks/getting-started
func Meta(appSecrets ...string) Func { return GitHub(appSecrets...) }

// Intercom accepts webhooks of Intercom, signed with the app's client secret.
// https://developers.intercom.com/docs/references/webhooks/webhook-models
func Intercom(clientSecrets ...string) Func {
	return HMAC{Header: "X-Hub-Signature", Prefix: "sha1=", Hash: sha1.New}.Func(clientSecrets...)
}

// Standard accepts requests with symmetric signatures ("v1") as specified by https://www.standardwebhooks.com,
// with the header names of that standard or those of Svix. A secret is base64, with or without the prefix
// "whsec_"; an invalid one matches nothing, and the error says what is wrong with it.
func Standard(secrets ...string) Func {
	keys := make([]string, 0, len(secrets))
	problem := ""
	for _, secret := range secrets {
		key, wrong := standardKey(strings.TrimSpace(secret))
		if wrong != "" {
			problem = wrong
			continue
		}
		keys = append(keys, key)
	}
	return func(r *http.Request) error {
		names := "Webhook-"
		if r.Header.Get("Webhook-Signature") == "" && r.Header.Get("Svix-Signature") != "" {
			names = "Svix-"
		}
		id, err := header(r, names+"Id")
		if err != nil {
			return err
		}
		list, err := header(r, names+"Signature")
		if err != nil {
			return err
		}
		// The list has a signature for each valid secret, and perhaps signatures of other versions.
		const maxSignatures = 20
		var signatures [][]byte
		for signature := range strings.FieldsSeq(list) {
			encoded, ok := strings.CutPrefix(signature, "v1,")
			if !ok || len(signatures) == maxSignatures {
				continue
			}
			if raw, err := base64.StdEncoding.Strict().DecodeString(encoded); err == nil {
				signatures = append(signatures, raw)
			}
		}
		err = HMAC{
			TimeHeader: names + "Timestamp",
			Message: func(_ *http.Request, timestamp string, body []byte) string {
				return id + "." + timestamp + "." + string(body)
			},
		}.check(r, signatures, keys)
		if problem != "" && (errors.Is(err, errNoSecret) || errors.Is(err, errMismatch)) {
			return invalid("%s", problem)
		}
		return err
	}
}

// standardKey decodes a secret, or says what is wrong with it, without a word of it.
func standardKey(secret string) (key, wrong string) {
	switch {
	case strings.HasPrefix(secret, "v1,"):
		return "", `a secret begins with "v1,": leave that out`
	case strings.HasPrefix(secret, "v1a,") || strings.HasPrefix(secret, "whpk_") || strings.HasPrefix(secret, "whsk_"):
		return "", "a secret is a key of asymmetric signatures, which are not supported"
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return "", `a secret is not base64 after the prefix "whsec_"`
	}
	return string(raw), ""
}

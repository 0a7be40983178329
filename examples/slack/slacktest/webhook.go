package slacktest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// SetRequestURL has events and actions sent to a URL and not through sockets, which are closed: Socket Mode is switched off.
// The URL has to answer a challenge. An empty URL switches Socket Mode on again.
func (s *Slack) SetRequestURL(address string) error {
	if address != "" {
		if err := s.challenge(address); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.requestURL = address
	s.mu.Unlock()
	if address != "" {
		return s.RequestDisconnect("link_disabled")
	}
	return nil
}

func (s *Slack) challenge(address string) error {
	challenge := newID("challenge")
	body, _ := json.Marshal(wire{"token": "deprecated", "challenge": challenge, "type": "url_verification"})
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	status, _, answer, err := s.request(ctx, address, "application/json", body, http.Header{})
	if err != nil {
		return fmt.Errorf("slacktest: challenge: %w", err)
	}
	if status != http.StatusOK {
		return fmt.Errorf("slacktest: challenge: status %d", status)
	}
	var v struct {
		Challenge string `json:"challenge"`
	}
	said := strings.TrimSpace(string(answer))
	if json.Unmarshal(answer, &v) == nil {
		said = v.Challenge
	} else if form, err := url.ParseQuery(said); err == nil && form.Has("challenge") {
		said = form.Get("challenge")
	}
	if said != challenge {
		return errors.New("slacktest: challenge: the request URL did not answer it")
	}
	return nil
}

// post makes one attempt to deliver to the request URL.
func (s *Slack) post(address string, d *delivery, n int, reason string) result {
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	kind, body, header := "application/json", []byte(d.payload), http.Header{}
	if d.kind == "interactive" {
		kind, body = "application/x-www-form-urlencoded", []byte(url.Values{"payload": {string(d.payload)}}.Encode())
	}
	if n > 0 {
		header.Set("X-Slack-Retry-Num", strconv.Itoa(n))
		header.Set("X-Slack-Retry-Reason", reason)
	}
	status, answered, _, err := s.request(ctx, address, kind, body, header)
	switch {
	case err != nil && ctx.Err() != nil:
		return result{reason: "http_timeout"}
	case err != nil:
		return result{reason: "connection_failed"}
	case status < 200 || status > 299:
		return result{reason: "http_error", final: answered.Get("X-Slack-No-Retry") == "1"}
	}
	return result{}
}

// request sends a signed request and returns the answer.
func (s *Slack) request(ctx context.Context, address, kind string, body []byte, header http.Header) (status int, answered http.Header, answer []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	r.Header = header
	r.Header.Set("Content-Type", kind)
	r.Header.Set("User-Agent", "Slackbot 1.0 (+https://api.slack.com/robots)")
	s.sign(r, body)
	res, err := s.client.Do(r)
	if err != nil {
		return 0, nil, nil, err
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, res.Header, answer, err
}

// SignRequest signs a request as one to the request URL is. It fails if the body cannot be read.
func (s *Slack) SignRequest(r *http.Request) error {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return fmt.Errorf("slacktest: sign: %w", err)
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.sign(r, body)
	return nil
}

func (s *Slack) sign(r *http.Request, body []byte) {
	stamp := strconv.FormatInt(now(), 10)
	mac := hmac.New(sha256.New, []byte(s.SigningSecret))
	_, _ = fmt.Fprintf(mac, "v0:%s:%s", stamp, body)
	r.Header.Set("X-Slack-Request-Timestamp", stamp)
	r.Header.Set("X-Slack-Signature", "v0="+hex.EncodeToString(mac.Sum(nil)))
}

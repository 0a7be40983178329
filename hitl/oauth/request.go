package oauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/hitl-go/sdk/internal/retryafter"
	"github.com/hitl-go/sdk/internal/sleep"
)

var (
	// errLost is an answer that did not arrive: the desk may have done what it was asked to.
	errLost = errors.New("the desk's answer got lost")

	// errBusy is a desk that has done nothing, and may do it later.
	errBusy = errors.New("the desk does not issue tokens now")
)

// refusal is a desk that says no.
type refusal struct {
	code string // As in RFC 6749, section 5.2: invalid_grant, invalid_client…
	err  error
}

func (r *refusal) Error() string { return "oauth: the desk refuses a token: " + r.code }
func (r *refusal) Unwrap() error { return r.err }

const (
	firstRetry = 500 * time.Millisecond
	longRetry  = 5 * time.Second
)

// request asks for a token, with a refresh token or, if it is empty, with the client's credentials. A desk that is busy is asked
// again until the context ends.
func (s *Source) request(ctx context.Context, refresh string) (token, error) {
	for pause := firstRetry; ; pause = min(2*pause, longRetry) {
		t, sent, err := s.once(ctx, refresh)
		if err == nil {
			return newToken(t, refresh), nil
		}
		after, err := classify(err, sent)
		if again := errors.Is(err, errBusy) || errors.Is(err, errLost) && s.repeatable(); !again {
			return token{}, err
		}
		if sleep.For(ctx, max(pause, after)) != nil || ctx.Err() != nil {
			return token{}, err
		}
	}
}

// repeatable reports whether a request may be repeated that the desk may have done already.
func (s *Source) repeatable() bool { return !s.byCode || s.config.Reusable }

// attemptTimeout is for one request that may be repeated.
const attemptTimeout = 15 * time.Second

// once makes one request, and reports whether anything of it was sent.
func (s *Source) once(ctx context.Context, refresh string) (t *oauth2.Token, sent bool, err error) {
	if s.repeatable() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, attemptTimeout)
		defer cancel()
	}
	// A request for a new token is one with the client's credentials, and other parameters.
	c := clientcredentials.Config{
		ClientID: s.config.ClientID, ClientSecret: s.config.ClientSecret, Scopes: s.config.Scopes,
		TokenURL: s.config.Endpoint.TokenURL, AuthStyle: s.config.Endpoint.AuthStyle, EndpointParams: url.Values{},
	}
	for name, value := range s.config.Params {
		c.EndpointParams.Set(name, value)
	}
	if s.byCode {
		c.EndpointParams.Set("grant_type", "refresh_token")
		c.EndpointParams.Set("refresh_token", refresh)
	}
	ctx, sentAny := traced(ctx)
	t, err = c.Token(s.withClient(ctx))
	return t, sentAny(), err
}

// traced watches a request, and reports whether anything was sent. Who does not say so may have sent it.
func traced(ctx context.Context) (_ context.Context, sent func() bool) {
	var began, wrote atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:      func(string) { began.Store(true) },
		WroteHeaders: func() { wrote.Store(true) },
	})
	return ctx, func() bool { return !began.Load() || wrote.Load() }
}

// withClient has the package oauth2 use the installation's client. It does not follow redirects: they would take secrets elsewhere.
func (s *Source) withClient(ctx context.Context) context.Context {
	client := *s.in.HTTPClient
	client.Timeout = 0 // the context has one; an answer that comes after a shorter one would be lost, and the sign-in with it
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return context.WithValue(ctx, oauth2.HTTPClient, &client)
}

// classify tells what a failure means: a refusal, [errBusy] with how long to wait, or [errLost].
func classify(err error, sent bool) (after time.Duration, problem error) {
	var answered *oauth2.RetrieveError
	if !errors.As(err, &answered) || answered.Response == nil {
		if !sent {
			return 0, fmt.Errorf("oauth: %w: %w", errBusy, err)
		}
		return 0, fmt.Errorf("oauth: %w: %w", errLost, err)
	}
	status := answered.Response.StatusCode
	code := known(answered.ErrorCode)
	err = fmt.Errorf("status %d, %s", status, cmp.Or(code, http.StatusText(status))) // The body may hold a secret.
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusInternalServerError, status == http.StatusServiceUnavailable:
		after, _ := retryafter.Wait(status, answered.Response.Header, time.Now())
		return after, fmt.Errorf("oauth: %w: %w", errBusy, err)
	case status >= http.StatusInternalServerError, status < http.StatusMultipleChoices && code == "":
		return 0, fmt.Errorf("oauth: %w: %w", errLost, err)
	}
	return 0, &refusal{cmp.Or(code, strconv.Itoa(status)), err}
}

// invalidGrant is the code of RFC 6749 that says that a refresh token has ended. No other one does.
const invalidGrant = "invalid_grant"

var errorCode = regexp.MustCompile(`^[a-z_]{1,40}$`)

// known returns an error's code if it has the form of RFC 6749: it is shown to people.
func known(code string) string {
	if errorCode.MatchString(code) {
		return code
	}
	return ""
}
